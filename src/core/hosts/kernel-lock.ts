import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { diskFullOr } from './disk-full';
import { HungProcesses, LIFE_SIGN_MS } from './hung-process';
import type { MasterHost } from './master-host';
import { type RunningProcess, endProcess, findLockHolders } from './processes';

export interface LockWait {
  /**
   * How long a holder that runs is waited for, ms; then it is ended. Default fifteen minutes: longer than anything takes that is
   * done under a lock, hooks among it. A holder that does not run any more is ended after {@link HUNG_AFTER_MS}, whatever this says.
   */
  readonly patienceMs?: number;
  /** Default {@link HUNG_AFTER_MS}. */
  readonly hungAfterMs?: number;
  /** Is told who holds the lock, once it is waited for, and who is ended. Default: the log of the operation. */
  readonly tell?: (message: string) => void;
}

/** A process that did nothing for so long is taken to be stopped, frozen, or in an endless loop; ms. */
export const HUNG_AFTER_MS = 5_000;
const PATIENCE_MS = 15 * 60_000;
const LOOK_MS = 250;
/** A holder that was not found so long, look after look, is taken to be one that cannot be seen, ms. */
const UNSEEN_MS = 10_000;
/** Nobody is spoken of who lets go of the lock within it. */
const QUIET_MS = 1_000;

/**
 * Does `work` while no other process does work under the lock of this file, which is opened for it. The lock belongs to the open
 * file of this process itself: a helper takes it (Node cannot) and is gone. So this process holds it also while it is stopped,
 * and loses it by its death alone; the kernel sees to that.
 *
 * Who comes to wait for a holder that does not run any more ends it, by the process that the kernel says has the lock:
 * whatever it was about to do is never done. Its own process is never ended: that tells its work to stop, and waits.
 * Nobody takes a lock twice: `work` must not ask for it again.
 * @throws KedgeError DiskFull, ProgramTimedOut when a holder cannot be ended, OwnerRefused; the signal's reason
 */
export async function withKernelLock<T>(
  path: string,
  host: MasterHost,
  operation: Operation,
  work: (file: FileHandle) => Promise<T>,
  wait: LockWait = {},
): Promise<T> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600).catch(
    (error: unknown) => {
      throw diskFullOr(error, host.name);
    },
  );
  // A process that only waits for others shows no sign of life by itself.
  const alive = setInterval(() => undefined, LIFE_SIGN_MS);
  try {
    await take(file, path, host, operation, wait);
    return await work(file);
  } finally {
    clearInterval(alive);
    await file.close();
  }
}

async function take(
  file: FileHandle,
  path: string,
  host: MasterHost,
  operation: Operation,
  { patienceMs = PATIENCE_MS, hungAfterMs = HUNG_AFTER_MS, tell = (text) => operation.log.info(text) }: LockWait,
): Promise<void> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([operation.signal, giveUp.signal]);
  let settled = false;
  const taking = host
    .run({ argv: ['flock', '--exclusive', '0'], inputFile: file, operation: { ...operation, signal } })
    .finally(() => (settled = true));
  const settling = taking.then(
    () => undefined,
    () => undefined,
  );
  try {
    const hung = new HungProcesses(hungAfterMs);
    let told = '';
    let unseenMs = 0;
    // Counted, not measured: this process may be stopped itself meanwhile.
    for (let waitedMs = 0; !settled; waitedMs += LOOK_MS) {
      await Promise.race([settling, delay(LOOK_MS)]);
      if (settled) break;
      const holders = await findLockHolders(path);
      // Once is nothing: it may have changed hands at that moment.
      unseenMs = holders.length === 0 ? unseenMs + LOOK_MS : 0;
      // Its own work was told to stop by whoever asks now.
      if (holders.some(({ pid }) => pid === process.pid)) continue;
      if (unseenMs >= UNSEEN_MS && waitedMs >= patienceMs) throw unseenHolder(path, host);
      const names = holders.map(nameOf).join(' and ');
      if (names !== '' && names !== told && waitedMs >= QUIET_MS) {
        told = names;
        tell(`${names} on ${host.name} has the lock ${path}: waiting for it`);
      }
      for (const holder of holders) {
        const isHung = await hung.look(holder);
        if (!isHung && waitedMs < patienceMs) continue;
        const why = isHung ? 'does not run any more' : `has not given it back for ${patienceMs / 1000} s`;
        tell(`${nameOf(holder)} on ${host.name}, which has the lock ${path}, ${why}: it is ended`);
        await endProcess(holder, host.name);
      }
    }
  } finally {
    // No more than this call waits for it.
    if (!settled) giveUp.abort(new Error('nobody waits for the lock any more'));
    await settling;
  }
  await taking;
}

/** In another container, or of another account: the kernel does not show it. */
function unseenHolder(path: string, host: MasterHost): KedgeError {
  return new KedgeError(
    'ProgramTimedOut',
    `the lock ${path} on ${host.name} is held by a process that cannot be seen`,
    {
      server: host.name,
      hint: `Find it with \`fuser ${path}\` where all processes of ${host.name} can be seen, and end it.`,
    },
  );
}

function nameOf({ pid }: RunningProcess): string {
  return `process ${pid}`;
}
