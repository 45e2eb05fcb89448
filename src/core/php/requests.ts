import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../clock';
import type { SiteLocation } from '../../contract/target';
import type { Host } from '../hosts/host';
import { fpmAddressOf } from './fpm-socket';
import { tcpSockets } from './tcp-sockets';

const SOCKETS = '/proc/net/unix';
const MAXIMUM_BYTES = 64 * 1024 * 1024;
const POLL_MS = 20;

/** What the kernel says of one Unix socket: its state, its inode, and the path it was bound to. */
const LINE = /^\S+: \S+ \S+ \S+ \S+ (\S+) +(\d+) (\/.*)$/;
const CONNECTED = '03';
/** Connected by the web server, and not yet taken by PHP. It has no inode until then. */
const QUEUED = '02';

interface Look {
  readonly queued: number;
  /** Inodes of the connections PHP has taken: as many requests as it works on. */
  readonly taken: ReadonlySet<number>;
}

/**
 * Waits until the requests that PHP has at its socket have ended: those it works on when this is called, and those that
 * wait for it then. Later ones are not waited for; they may be a neighbour's, by a pool that sites share. Returns how
 * many have not ended within `limitMs`.
 */
export async function awaitRequests(host: Host, socket: string, limitMs: number, signal: AbortSignal): Promise<number> {
  const deadline = monotonicMs() + limitMs;
  const first = await look(host, socket);
  const seen = new Set(first.taken);
  const waitingFor = new Set(first.taken);
  let { queued } = first;
  for (let now = first; ; now = await look(host, socket)) {
    // PHP takes them in their order, and the kernel numbers them in it: those that were queued are the next ones.
    for (const inode of [...now.taken].filter((one) => !seen.has(one)).sort((one, other) => one - other)) {
      seen.add(inode);
      if (queued === 0) continue;
      waitingFor.add(inode);
      queued -= 1;
    }
    // The others were taken between two looks, and have ended. (Should some later ones be queued by then, as many of them
    // are waited for in their place: too long rather than too short.)
    if (now.queued === 0) queued = 0;
    for (const inode of waitingFor) if (!now.taken.has(inode)) waitingFor.delete(inode);
    if (waitingFor.size + queued === 0) return 0;
    if (monotonicMs() > deadline) return waitingFor.size + queued;
    await delay(POLL_MS, undefined, { signal });
  }
}

/** The requests PHP works on now, as the inodes of their connections. */
export async function requestsInWork(host: Host, socket: string): Promise<ReadonlySet<number>> {
  return (await look(host, socket)).taken;
}

/**
 * Ends the workers of an account that hold requests PHP has had since `before` was looked at: PHP-FPM starts others in
 * their place. Returns how many.
 */
export async function endRequests(
  host: Host,
  { phpSocket, owner }: Pick<SiteLocation, 'phpSocket' | 'owner'>,
  before: ReadonlySet<number>,
): Promise<number> {
  const now = await requestsInWork(host, phpSocket);
  const held = new Set([...before].filter((inode) => now.has(inode)));
  return held.size === 0 ? 0 : host.endSocketHolders(held, owner.uid);
}

async function look(host: Host, socket: string): Promise<Look> {
  const address = fpmAddressOf(socket);
  return 'socketPath' in address ? lookAtUnixSocket(host, address.socketPath) : lookAtPort(host, address);
}

async function lookAtPort(host: Host, address: { readonly host: string; readonly port: number }): Promise<Look> {
  const connected = (await tcpSockets(host, address)).filter(({ state }) => state === 'connected');
  const taken = connected.map(({ inode }) => inode).filter((inode) => inode !== 0);
  return { queued: connected.length - taken.length, taken: new Set(taken) };
}

async function lookAtUnixSocket(host: Host, socket: string): Promise<Look> {
  const text = (await host.readFile(SOCKETS, MAXIMUM_BYTES)).toString('latin1');
  const taken = new Set<number>();
  let queued = 0;
  for (const line of text.split('\n')) {
    const [, state = '', inode = '', path = ''] = LINE.exec(line) ?? [];
    if (withoutAlias(path) !== withoutAlias(socket)) continue;
    if (state === QUEUED) queued += 1;
    if (state === CONNECTED) taken.add(Number(inode));
  }
  return { queued, taken };
}

/** PHP may have been told `/var/run/php.sock`, and Kedge `/run/php.sock`. */
function withoutAlias(path: string): string {
  return path.replace(/^\/var\/run\//, '/run/');
}
