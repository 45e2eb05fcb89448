import { mkdtemp, open, rm } from 'node:fs/promises';
import { type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { breakOff, withListener } from '../streams';
import type { Host, SocketAddress } from './host';
import { identify, isRunning } from './processes';

/** Someone who listens, as the machine that reaches him is told. */
export interface Listener {
  readonly from: Host;
  readonly address: SocketAddress;
}

/** A Unix socket of this machine that leads to a listener of another one. */
export interface Relay {
  /** A folder with nothing else in it, which nobody but the worker's user gets into. */
  readonly folder: string;
  /** Of the socket, in it. */
  readonly name: string;
}

const SOCKET = 'socket';
/** The process that has it, as {@link identify} tells it. */
const OWN_FOLDER = /^(?<pid>\d+)-(?<started>\d+)-/;

/**
 * Does `work` while there is a socket, in a new folder of `folder`, by which programs of this machine reach a listener of another. It goes
 * when the work has ended, and with it every connection.
 * @throws whatever `work` throws; where the other machine was lost meanwhile, or a connection could not be made from it, what `connectTo`
 *   says of that; the signal's reason
 */
export async function withRelay<T>(
  { from, address }: Listener,
  folder: string,
  { signal }: Pick<Operation, 'signal'>,
  work: (relay: Relay) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = await mkdtemp(join(folder, `${process.pid}-${(await identify(process.pid))?.started}-`));
  const ended = new AbortController();
  let lost: unknown;
  const lose = (error: unknown): void => void (lost ??= error);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    withListener(near);
    from.connectTo(address, AbortSignal.any([signal, ended.signal])).then(
      (far) => {
        far.once('error', (error) => isKedgeError(error) && lose(error));
        joinStreams(near, far, ended.signal);
      },
      (error: unknown) => {
        if (!ended.signal.aborted) lose(error);
        near.destroy();
      },
    );
  });
  // The path of a socket has room for a hundred bytes.
  const within = await open(own, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${within.fd}/${SOCKET}`, resolve);
    });
    return await work({ folder: own, name: SOCKET });
  } catch (error) {
    signal.throwIfAborted();
    throw lost ?? error;
  } finally {
    ended.abort();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await within.close();
    await rm(own, { recursive: true, force: true });
  }
}

/** Folders that processes left which have ended meanwhile. */
export async function foldersOfEndedRelays(folder: string, host: Pick<Host, 'list'>): Promise<string[]> {
  const left: string[] = [];
  for (const name of await host.list(folder)) {
    const { pid, started } = OWN_FOLDER.exec(name)?.groups ?? {};
    if (pid === undefined || started === undefined) continue;
    if (!(await isRunning({ pid: Number(pid), started }))) left.push(join(folder, name));
  }
  return left;
}

/** Carries what comes at either end to the other, until both have ended; when one breaks, so does the other. */
function joinStreams(near: Socket, far: Duplex, ended: AbortSignal): void {
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    // What has ended already tells nobody any more.
    if (one.destroyed) other.destroy();
    one.once('error', () => other.destroy());
    one.once('close', () => {
      if (!one.readableEnded) other.destroy();
    });
    one.pipe(other);
  }
  const end = (): void => {
    breakOff(near, null);
    breakOff(far, null);
  };
  if (ended.aborted) end();
  else ended.addEventListener('abort', end, { once: true });
}
