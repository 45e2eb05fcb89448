import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { diskFullOr } from './disk-full';
import { identify } from './processes';

/** Names of lock files: what a crash leaves of {@link withFileLock}. */
export const LOCK_FILE = /^\..+\.lock$/;

const POLL_MS = 2;
/** A holder that is paused keeps nobody for longer. */
const LONGEST_WAIT_MS = 5_000;

/**
 * Does short work while no other process does work under the same lock: one file, made by one of many and taken away by
 * who made it. What a killed process left is taken over at once, what a paused one holds after five seconds: so the lock
 * keeps processes that run out of each other's way, and is no proof that another has ended. `server` is where the file lies.
 * @throws KedgeError DiskFull
 */
export async function withFileLock<T>(path: string, server: string, work: () => Promise<T>): Promise<T> {
  const me = await identify(process.pid);
  const name = `${process.pid} ${me?.started ?? ''} ${randomBytes(6).toString('hex')}`;
  await acquire(path, server, name);
  try {
    return await work();
  } finally {
    await release(path, name);
  }
}

async function acquire(path: string, server: string, name: string): Promise<void> {
  for (const began = Date.now(); ;) {
    const file = await create(path).catch((error: unknown) => {
      throw diskFullOr(error, server);
    });
    if (file) {
      try {
        await file.writeFile(name);
      } finally {
        await file.close();
      }
      return;
    }
    const holder = await holderOf(path);
    const waited = Date.now() - began;
    if (holder !== null && (waited > LONGEST_WAIT_MS || (await hasEnded(holder)))) await release(path, holder);
    else await delay(POLL_MS);
  }
}

/** Null when it is there. */
async function create(path: string): Promise<FileHandle | null> {
  return open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return null;
    throw error;
  });
}

/** What it says of who made it; null when it is gone. */
async function holderOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/** An empty file is one that was made this moment, or that a killed process left: time tells. */
async function hasEnded(holder: string): Promise<boolean> {
  const [pid = '', started = ''] = holder.split(' ');
  if (pid === '') return false;
  return (await identify(Number(pid)))?.started !== started;
}

/** Takes the file away, unless it is another's by now. */
async function release(path: string, name: string): Promise<void> {
  if ((await holderOf(path)) !== name) return;
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
