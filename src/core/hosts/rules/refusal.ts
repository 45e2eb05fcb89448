import { KedgeError } from '../../../contract/errors';

/** The error for what the rules of a server do not allow: `reading /etc/shadow is not allowed on web1`. */
export function refused(server: string, what: string, because?: string): KedgeError {
  const why = because === undefined ? '' : `: ${because}`;
  return new KedgeError('HostRefused', `${what} is not allowed on ${server}${why}`, { server });
}
