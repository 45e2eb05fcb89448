import { reachableAddress } from '../../web/reachable-address';
import type { SocketAddress } from '../host';
import type { HostRules } from './host-rules';

/**
 * Where kedge-host connects to for a master: sockets and ports of the rules as they stand there, and where the web server listens. Null for all
 * else. What a name stands for is looked up here, whatever the master says it is.
 */
export function allowedAddress({ connect, web }: HostRules, address: SocketAddress): SocketAddress | null {
  if ('socketPath' in address) {
    const { socketPath } = address;
    return connect.sockets.includes(socketPath) ? { socketPath } : null;
  }
  const { host, port } = address;
  const listens = web ? [...web.listen, ...(web.listenTls ?? [])] : [];
  const ports = [...connect.ports, ...listens.map((listen) => ({ ...listen, host: reachableAddress(listen.address) }))];
  return ports.some((allowed) => allowed.host === host && allowed.port === port) ? { host, port } : null;
}
