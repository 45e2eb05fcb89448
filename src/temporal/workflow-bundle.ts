import { existsSync } from 'node:fs';
import { join } from 'node:path';

const BUILT = join(__dirname, '../../workflow-bundle.js');

/** The workflow code, bundled by the build: beside the compiled tree, or in it when run from source. */
export const WORKFLOW_BUNDLE = existsSync(BUILT) ? BUILT : join(__dirname, '../../dist/workflow-bundle.js');
