import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

/** State LISTEN (man 5 proc, and include/net/tcp_states.h of Linux). */
const LISTEN = '0A';

/** True when something on this machine listens at a TCP port on another address than loopback, as /proc/net tells. */
export async function listensBeyondLoopback(port: number): Promise<boolean> {
  return (await tables()).some((table) => hasOpenListener(table, port));
}

/** True when something on this machine listens at a TCP port, without knocking at it. */
export async function isListening(port: number): Promise<boolean> {
  return (await tables()).some((table) => listenersOf(table, port).length > 0);
}

/** As {@link listensBeyondLoopback}, from the text of one table. */
export function hasOpenListener(table: string, port: number): boolean {
  return listenersOf(table, port).some((address) => !isLoopbackHex(address));
}

async function tables(): Promise<string[]> {
  return Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')));
}

/** Addresses in hex. */
function listenersOf(table: string, port: number): string[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', hexPort = ''] = local.split(':');
    return state === LISTEN && Number.parseInt(hexPort, 16) === port ? [address] : [];
  });
}

/** Words of 32 bits in hex, each in the byte order of the machine (here little-endian). */
function isLoopbackHex(address: string): boolean {
  const isV4 = (word: string): boolean => word.endsWith('7F');
  if (address.length === 8) return isV4(address);
  return address === '00000000000000000000000001000000' || (/^0{16}FFFF0000/.test(address) && isV4(address));
}

/** `localhost:7233`, `127.0.0.1:7233`, `[::1]:7233`. */
export function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
