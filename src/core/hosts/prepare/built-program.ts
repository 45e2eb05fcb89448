import { existsSync } from 'node:fs';
import { join } from 'node:path';

const BUILT = join(__dirname, '../../../../kedge-host.cjs');

/** The program of servers, as the build makes it: beside the compiled tree, or in `dist` when run from source. */
export const BUILT_PROGRAM = existsSync(BUILT) ? BUILT : join(__dirname, '../../../../dist/kedge-host.cjs');
