import { join } from 'node:path';
import { hostName } from '../web/nginx/value';

/** The file whose existence shows the maintenance page of a site. */
export function flagPath(flags: string, uri: string): string {
  return join(flags, hostName(uri));
}

/** The folder of a site's probe tokens and one-time scripts. */
export function probeFolder(flags: string, uri: string): string {
  return join(flags, `${hostName(uri)}.probe`);
}
