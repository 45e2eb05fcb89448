import { join } from 'node:path';
import { hostName } from './host-name';

/** The file whose existence shows the maintenance page of a site. */
export function flagPath(flags: string, uri: string): string {
  return join(flags, hostName(uri));
}

/** Whoever decides whether a flag stays has the lock of this file on its machine. */
export function flagLock(flags: string): string {
  return join(flags, FLAG_LOCK);
}

/** Written anew each time that a machine looks for flags that are over. */
export function lookedPath(flags: string): string {
  return join(flags, LOOKED);
}

/** Names that no site can have. */
export const FLAG_LOCK = '.kedge.lock';
export const LOOKED = '.kedge.looked';

/** Ending of the file beside a token that shows the maintenance page to the request with the token, and to no other. */
export const DRILL_ENDING = '.maintenance';

/** The folder of a site's probe tokens and one-time scripts. */
export function probeFolder(flags: string, uri: string): string {
  return join(flags, `${hostName(uri)}.probe`);
}
