import { isKedgeError } from '../../contract/errors';
import type { DatabaseServerAddress } from '../../contract/target';
import type { SiteLogin } from '../databases/database-server';
import type { Operation } from '../operation';

/** How the database library of a kind is told an address. */
export interface AddressForms {
  /** `localhost:/path/of/socket` and `host:port`, which applications take apart for mysqli; PDO takes neither. */
  readonly inOneText: boolean;
}

/** Where packages put the server's socket, and PHP of the same packages looks for it. */
const USUAL_SOCKETS = new Set(['/run/mysqld/mysqld.sock', '/var/lib/mysql/mysql.sock', '/tmp/mysql.sock']);

/**
 * Addresses a new site may reach its database server at, the best first: as the backup had it, so that the application
 * understands it, then as the library of its kind does. `defaultSocket` is where PHP of the site looks for `localhost`; null
 * where that is not known: then `localhost` is one of them only where packages put the configured socket.
 */
export function addressesOf(
  server: DatabaseServerAddress,
  { inOneText }: AddressForms,
  ofBackup: string | null,
  defaultSocket: string | null,
): string[] {
  const { socket, host = 'localhost', port } = server;
  const localhostIsKnown = defaultSocket !== null || (socket !== undefined && USUAL_SOCKETS.has(withoutAlias(socket)));
  const found: string[] = [];
  if (ofBackup !== null && (localhostIsKnown || !isLocalhost(ofBackup))) found.push(ofBackup);
  if (socket === undefined) {
    if (port === undefined || (port === 3306 && !inOneText)) found.push(host);
    else found.push(`${host.includes(':') ? `[${host}]` : host}:${port}`);
  } else if (inOneText) found.push(`localhost:${socket}`);
  // Where none of them reaches it, the last one says why.
  else found.push(...(localhostIsKnown ? ['localhost'] : []), '127.0.0.1', '::1', `localhost:${socket}`);
  return [...new Set(found)];
}

/**
 * The first of the addresses at which the login reaches the configured server, `localhost` at the socket where PHP of the
 * site looks for it.
 * @throws KedgeError what `proveLogin` says of the last one
 */
export async function provenAddress(
  addresses: readonly string[],
  login: Omit<SiteLogin, 'address'>,
  defaultSocket: string | null,
  proveLogin: (login: SiteLogin, operation: Operation) => Promise<unknown>,
  operation: Operation,
): Promise<string> {
  let reason: unknown = new TypeError('there is no address to try');
  for (const address of addresses) {
    const asked = defaultSocket !== null && isLocalhost(address) ? `localhost:${defaultSocket}` : address;
    try {
      await proveLogin({ ...login, address: asked }, operation);
      return address;
    } catch (error) {
      operation.signal.throwIfAborted();
      if (!isKedgeError(error)) throw error;
      reason = error;
    }
  }
  throw reason;
}

function isLocalhost(address: string): boolean {
  return address === 'localhost' || address === '';
}

/** PHP may have been told `/var/run/mysqld/mysqld.sock`, and Kedge `/run/mysqld/mysqld.sock`. */
function withoutAlias(path: string): string {
  return path.replace(/^\/var\/run\//, '/run/');
}
