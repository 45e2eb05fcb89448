import { join } from 'node:path';
import { hostName } from './host-name';

/** The file whose existence shows the maintenance page of a site. */
export function flagPath(flags: string, uri: string): string {
  return join(flags, hostName(uri));
}

/** Ending of the file beside a token that shows the maintenance page to the request with the token, and to no other. */
export const DRILL_ENDING = '.maintenance';

/** The folder of a site's probe tokens and one-time scripts. */
export function probeFolder(flags: string, uri: string): string {
  return join(flags, `${hostName(uri)}.probe`);
}
