import { randomBytes } from 'node:crypto';
import { readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withMutex } from '../keyed-mutex';
import { unheard } from '../operation';
import { diskFullOr } from './disk-full';
import { HungProcesses, LIFE_SIGN_MS } from './hung-process';
import { HUNG_AFTER_MS, withKernelLock } from './kernel-lock';
import type { MasterHost } from './master-host';
import { type RunningProcess, endProcess, identify, isRunning } from './processes';

/** Names of locks: what a crash leaves of {@link withFileLock}. */
export const LOCK_FILE = /^\..+\.lock$/;

const POLL_MS = 2;
const LOOK_MS = 250;

/**
 * Does short work while no other process does work under the same lock: a link that leads nowhere, made by one of many, which says
 * who made it, and is taken away by who made it. It costs three system calls, where the kernel's own lock takes a program.
 * Its folder is made where it is missing. What a killed process left is taken over at once. A process that has it and does not run
 * any more is ended first, for it would go on with its work when it wakes: nobody loses the lock alive. Within a process those who
 * wait come in the order in which they asked.
 * @throws KedgeError DiskFull, ProgramTimedOut when a holder cannot be ended
 */
export async function withFileLock<T>(
  path: string,
  host: MasterHost,
  work: () => Promise<T>,
  hungAfterMs = HUNG_AFTER_MS,
): Promise<T> {
  // Of a process one asks at a time: a hundred that ask often keep it busy with nothing else.
  return withMutex(path, async () => {
    const me = await identify(process.pid);
    const name = `${process.pid} ${me?.started ?? ''} ${randomBytes(6).toString('hex')}`;
    const alive = setInterval(() => undefined, LIFE_SIGN_MS);
    try {
      await host.makeFolder(dirname(path), { mode: 0o700 });
      await acquire(path, host, name, new HungProcesses(hungAfterMs));
      try {
        return await work();
      } finally {
        await ignoreMissing(unlink(path));
      }
    } finally {
      clearInterval(alive);
    }
  });
}

/** What a killed process left of a lock; null when it is gone, or its holder runs. */
export async function findEndedLock(path: string, host: MasterHost): Promise<{ remove(): Promise<void> } | null> {
  const holder = await holderOf(path);
  if (holder === null) return null;
  const running = processOf(holder);
  if (running !== null && (await isRunning(running))) return null;
  return { remove: () => takeAway(path, host, holder) };
}

async function acquire(path: string, host: MasterHost, name: string, hung: HungProcesses): Promise<void> {
  for (let waitedMs = 0; !(await isMade(path, name, host)); waitedMs += POLL_MS) {
    const holder = await holderOf(path);
    if (holder === null) continue;
    const running = processOf(holder);
    if (running === null || !(await isRunning(running))) await takeAway(path, host, holder);
    else if (waitedMs % LOOK_MS === 0 && running.pid !== process.pid && (await hung.look(running))) {
      await endProcess(running, host.name);
    } else await delay(POLL_MS);
  }
}

/** False when it is there. */
async function isMade(path: string, name: string, host: MasterHost): Promise<boolean> {
  return symlink(name, path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw diskFullOr(error, host.name);
    },
  );
}

/**
 * Takes away what a process left that has ended. Only here does anybody take away what is not his, and one process at a time: so
 * what was looked at is what is taken away, however long this one sleeps in between.
 */
async function takeAway(path: string, host: MasterHost, holder: string): Promise<void> {
  await withKernelLock(`${path}.ended`, host, QUIETLY, async () => {
    if ((await holderOf(path)) === holder) await ignoreMissing(unlink(path));
  });
}

/** What it says of who made it; null when it is gone. An older Kedge made a file of it. */
async function holderOf(path: string): Promise<string | null> {
  const read = readlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EINVAL') throw error;
    return readFile(path, 'utf8');
  });
  return ignoreMissing(read);
}

function processOf(holder: string): RunningProcess | null {
  const [pid = '', started = ''] = holder.split(' ');
  return /^\d+$/.test(pid) ? { pid: Number(pid), started } : null;
}

async function ignoreMissing<T>(work: Promise<T>): Promise<T | null> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

const QUIETLY = unheard('lock', new AbortController().signal);
