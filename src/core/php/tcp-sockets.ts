import type { Host } from '../hosts/host';

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const MAXIMUM_BYTES = 64 * 1024 * 1024;

/** States of TCP (man 5 proc, and include/net/tcp_states.h of Linux), as far as they are of a server that has work. */
const STATES: Readonly<Record<string, 'listens' | 'connected'>> = {
  '0A': 'listens',
  '01': 'connected',
  // The client has gone, and the server not noticed yet: it works on.
  '08': 'connected',
};

/** What the kernel says of one socket at the server's end. */
export interface TcpSocket {
  readonly state: 'listens' | 'connected';
  /** Of the account that made it, or took the connection. */
  readonly uid: number;
  /** 0 for a connection that nobody has taken yet. */
  readonly inode: number;
}

/** Sockets that listen at a loopback address and port, by whatever address they do, and those connected to it. */
export async function tcpSockets(
  host: Host,
  { host: address, port }: { readonly host: string; readonly port: number },
): Promise<TcpSocket[]> {
  const texts = await Promise.all(
    // A machine without IPv6 has no second one.
    TABLES.map(async (path) =>
      (await host.status(path)) === undefined ? '' : (await host.readFile(path, MAXIMUM_BYTES)).toString('latin1'),
    ),
  );
  return texts.flatMap((text) => socketsIn(text, address, port));
}

/** As {@link tcpSockets}, from the text of one table. */
export function socketsIn(table: string, address: string, port: number): TcpSocket[] {
  const names = new Set(hexForms(address));
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [local = '', stateCode = '', uid = '', inode = ''] = [fields[1], fields[3], fields[7], fields[9]];
    const [localAddress = '', localPort = ''] = local.split(':');
    const state = STATES[stateCode];
    if (state === undefined || Number.parseInt(localPort, 16) !== port) return [];
    const isAnyAddress = state === 'listens' && /^0+$/.test(localAddress);
    return isAnyAddress || names.has(localAddress) ? [{ state, uid: Number(uid), inode: Number(inode) }] : [];
  });
}

/** An address as the tables have it: words of 32 bits in hex, each in the byte order of the machine (here little-endian). */
function hexForms(address: string): string[] {
  if (address === '::1') return ['00000000000000000000000001000000'];
  const word = address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .toReversed()
    .join('')
    .toUpperCase();
  return [word, `0000000000000000FFFF0000${word}`];
}
