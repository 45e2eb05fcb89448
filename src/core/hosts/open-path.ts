import { constants } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { ownUid } from '../../trust/trusted-path';
import { isMissing, statusOf } from './file-status';
import { WRITABLE_BY_OTHERS, belongsToUs, isTrustedFolder } from './trusted-path';

/** As Linux defines it on the architectures of Node; Node does not name it. */
const O_PATH = 0o10000000;
const ENTRY = O_PATH | constants.O_NOFOLLOW;
const MAXIMUM_LINKS = 40;
/** This machine, as far as trust in its folders goes. */
export const ON_THIS_MACHINE = {
  status: statusOf,
  account: async () => ({ uid: ownUid(), privileged: ownUid() === 0 }),
};

/**
 * Opens what a path leads to, as a place: what it holds can be named through the descriptor, whatever is renamed
 * meanwhile. Links are followed where only root or the worker's user can have laid them, and nowhere else.
 * @throws KedgeError FileRefused when it is missing, cannot be reached, or lies behind a link that others may have laid
 */
export async function openPath(path: string, server: string): Promise<FileHandle> {
  const refuse = (why: string, cause?: unknown): KedgeError =>
    new KedgeError('FileRefused', `${path} on ${server} ${why}`, { server, cause });
  let wanted = resolve('/', path);
  for (let links = 0; links <= MAXIMUM_LINKS; links += 1) {
    const found = await walk(wanted).catch((error: NodeJS.ErrnoException) => {
      if (isMissing(error)) throw refuse('does not exist', error);
      throw refuse(`cannot be opened: ${error.code ?? error.message}`, error);
    });
    if (!('link' in found)) return found.handle;
    const { link, rest } = found;
    // Nobody but us changes the folder, so that path and link are still what was met.
    if (!(await isLaidByUs(link)))
      throw refuse(`lies behind ${link}, a symbolic link that others than root and the worker can lay`);
    wanted = resolve(dirname(link), await readlink(link), ...rest);
  }
  throw refuse('leads through too many symbolic links');
}

/**
 * Opens what lies at a path in a folder, or the folder itself, as a place. The folder is come to as by {@link openPath}; in it no link is
 * followed, whoever laid it. Null when nothing is there.
 * @throws KedgeError FileRefused when the folder cannot be reached, or a link lies on the way or at its end
 */
export async function openBelow(folder: string, names: readonly string[], server: string): Promise<FileHandle | null> {
  const path = join(folder, ...names);
  if (names.length === 0 && (await statusOf(folder)) === undefined) return null;
  const found = await descend(await openPath(folder, server), '', names).catch((error: NodeJS.ErrnoException) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (found === null || !('link' in found)) return found?.handle ?? null;
  throw new KedgeError('FileRefused', `${path} on ${server} lies behind ${join(folder, found.link)}, a symbolic link`, {
    server,
  });
}

/** A name in an opened folder, as a path. */
export function within(folder: FileHandle, name = ''): string {
  return join(`/proc/self/fd/${folder.fd}`, name);
}

/** Does `work` with a path that leads to the same folder for as long as it takes. @throws KedgeError FileRefused */
export async function inFolderOf<T>(path: string, server: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await openPath(dirname(path), server);
  try {
    return await work(within(folder, basename(path)));
  } finally {
    await folder.close();
  }
}

/** From / down, one name after the other, as far as the first link. */
async function walk(path: string): Promise<{ handle: FileHandle } | { link: string; rest: string[] }> {
  const names = path.split('/').filter((name) => name !== '');
  return descend(await open('/', ENTRY), '/', names);
}

/** From an opened folder, which is closed, down as far as the first link. `top`: what names of links begin with. */
async function descend(
  from: FileHandle,
  top: string,
  names: readonly string[],
): Promise<{ handle: FileHandle } | { link: string; rest: string[] }> {
  let handle = from;
  try {
    for (const [at, name] of names.entries()) {
      const entry = await openEntry(within(handle, name));
      await handle.close();
      handle = entry.handle;
      if (!entry.isLink) continue;
      await handle.close();
      return { link: join(top, ...names.slice(0, at + 1)), rest: names.slice(at + 1) };
    }
    return { handle };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Asked for as a folder first: that has the system mount what it mounts on demand. */
async function openEntry(path: string): Promise<{ handle: FileHandle; isLink: boolean }> {
  try {
    return { handle: await open(path, ENTRY | constants.O_DIRECTORY), isLink: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
  }
  const handle = await open(path, ENTRY);
  try {
    return { handle, isLink: (await handle.stat()).isSymbolicLink() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Also a sticky folder is one that others can bring a link of ours to, which we had laid elsewhere. */
async function isLaidByUs(link: string): Promise<boolean> {
  const [folder, status] = [await statusOf(dirname(link)), await statusOf(link)];
  if (folder === undefined || status === undefined || (folder.mode & WRITABLE_BY_OTHERS) !== 0) return false;
  return belongsToUs({ uid: ownUid() }, status) && isTrustedFolder(ON_THIS_MACHINE, dirname(link));
}
