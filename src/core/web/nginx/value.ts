import { isIP } from 'node:net';
import { KedgeError } from '../../../contract/errors';
import { type Listen, siteUriSchema } from '../../../contract/target';

/**
 * A value as one quoted word of an nginx configuration. `$` cannot be escaped there, quotes and backslashes are read
 * differently by different directives: a value that holds one is refused.
 * @throws KedgeError ConfigurationInvalid
 */
export function quoted(value: string, what: string): string {
  if (value === '' || /["'$\\\p{Cc}]/u.test(value)) {
    throw new KedgeError(
      'ConfigurationInvalid',
      `${what} ${JSON.stringify(value)} cannot be written to an nginx configuration`,
      { hint: 'Use a path without quotes, dollar signs, backslashes and control characters.' },
    );
  }
  return `"${value}"`;
}

/** `127.0.0.1:80`, `[::1]:80`, `*:80`. @throws KedgeError ConfigurationInvalid */
export function listenValue({ address, port }: Listen): string {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) === 6) return `[${bare}]:${port}`;
  if (isIP(address) === 4 || address === '*' || siteUriSchema.safeParse(address).success) return `${address}:${port}`;
  throw new KedgeError('ConfigurationInvalid', `nginx cannot listen on ${JSON.stringify(address)}`, {
    hint: 'Give an IP address, a host name or * as the address to listen on.',
  });
}
