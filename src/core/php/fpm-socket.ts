import type { Host, SocketAddress } from '../hosts/host';
import { LOOPBACK_SOCKET } from '../../contract/target';
import { KedgeError } from '../../contract/errors';
import type { SiteLocation } from '../../contract/target';
import { tcpSockets } from './tcp-sockets';

/** Where PHP-FPM listens, of the form in which the configuration has it: the path of a Unix socket, or a loopback address and a port. */
export function fpmAddressOf(socket: string): SocketAddress {
  const [, host, port] = LOOPBACK_SOCKET.exec(socket) ?? [];
  return host === undefined ? { socketPath: socket } : { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/**
 * Sees to it that who listens for a site's PHP may: root, the site's owner, or the worker. The folder of a Unix socket says who can
 * have put it there; at a port it can be whoever came first when FPM was down, and he would be sent what is for the site alone, and
 * believed. The kernel says whose the port is.
 * @throws KedgeError ProbeFailed for the port of another account, or of nobody that is seen
 */
export async function assertOwnListener(
  host: Host,
  { uri, phpSocket, owner }: Pick<SiteLocation, 'uri' | 'phpSocket' | 'owner'>,
): Promise<void> {
  const address = fpmAddressOf(phpSocket);
  if ('socketPath' in address) return;
  const listeners = (await tcpSockets(host, address)).filter(({ state }) => state === 'listens');
  const allowed = [0, owner.uid, (await host.account()).uid];
  const stranger = listeners.find(({ uid }) => !allowed.includes(uid));
  if (listeners.length > 0 && stranger === undefined) return;
  const who = stranger === undefined ? 'nobody is seen to listen there' : `account ${stranger.uid} listens there`;
  throw new KedgeError('ProbeFailed', `PHP of ${uri} is not asked at ${phpSocket}: ${who}`, {
    site: uri,
    server: host.name,
    hint:
      stranger === undefined
        ? `Start PHP-FPM, or correct \`php.socket\` of ${uri} in the configuration.`
        : `See by \`ss -ltnp\` who holds the port, which is neither root nor ${owner.user}; a socket in a folder of root's cannot be taken so.`,
  });
}
