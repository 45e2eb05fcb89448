import { constants } from 'node:fs';
import { access, chmod, chown, link, lstat, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { syncFolder } from './durable-file';
import type { FileAttributes, FileStatus, FreeSpace } from './host';

const DEFAULT_MAXIMUM_BYTES = 1024 * 1024;

export async function readSmallFile(
  path: string,
  server: string,
  maximumBytes = DEFAULT_MAXIMUM_BYTES,
): Promise<Buffer> {
  const refuse = (why: string): KedgeError => new KedgeError('FileRefused', `${path} on ${server} ${why}`, { server });
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (isMissing(error)) throw refuse('does not exist');
      // A socket.
      if (error.code === 'ENXIO') throw refuse('is no regular file');
      if (error.code === 'ELOOP') throw refuse('is a symbolic link');
      throw error;
    },
  );
  try {
    const status = await file.stat();
    if (!status.isFile()) throw refuse('is no regular file');
    if (status.size > maximumBytes) throw refuse(`is larger than ${maximumBytes} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

export async function statusOf(path: string): Promise<FileStatus | undefined> {
  const status = await lstat(path).catch(ignoreMissing);
  if (!status) return undefined;
  return {
    type: status.isFile() ? 'file' : status.isDirectory() ? 'folder' : status.isSymbolicLink() ? 'link' : 'other',
    uid: status.uid,
    gid: status.gid,
    mode: status.mode & 0o7777,
    bytes: status.size,
    modifiedMs: status.mtimeMs,
    device: status.dev,
    links: status.nlink,
  };
}

export async function namesIn(path: string): Promise<string[]> {
  return ((await readdir(path).catch(ignoreMissing)) ?? []).sort();
}

export async function makeFolders(path: string, attributes: FileAttributes): Promise<void> {
  if (await statusOf(path)) return;
  if (dirname(path) !== path) await makeFolders(dirname(path), attributes);
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (attributes.uid !== undefined || attributes.gid !== undefined)
    await chown(path, attributes.uid ?? -1, attributes.gid ?? -1);
  await chmod(path, attributes.mode);
  await syncFolder(dirname(path));
}

/**
 * Renames without replacing. Files go by a hard link, which refuses an existing name; a folder never replaces a file or
 * a folder that holds something. A crash between link and unlink leaves both names: the next attempt completes it.
 */
export async function renameWithoutReplacing(from: string, to: string, server: string): Promise<void> {
  const status = await lstat(from);
  const existing = await lstat(to).catch(ignoreMissing);
  const halfDone = existing?.isFile() && existing.dev === status.dev && existing.ino === status.ino && from !== to;
  if (existing && !halfDone) throw new KedgeError('FileRefused', `${to} on ${server} exists already`, { server });
  if (status.isFile()) {
    if (!halfDone) await link(from, to);
    await unlink(from);
  } else {
    await rename(from, to);
  }
  await syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
}

export async function removeOne(path: string): Promise<void> {
  const removed = await unlink(path).then(() => true, ignoreMissing);
  if (removed) await syncFolder(dirname(path));
}

export async function freeSpaceOf(path: string): Promise<FreeSpace> {
  const status = await statfs(path);
  const readOnly = await access(path, constants.W_OK).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'EROFS',
  );
  return { bytes: status.bavail * status.bsize, inodes: status.files === 0 ? null : status.ffree, readOnly };
}

/** Parent and name, for programs that are shown the parent alone. */
export function splitPath(path: string): { parent: string; name: string } {
  return { parent: dirname(path), name: join('.', basename(path)) };
}

/** Also when a file stands where the path wants a folder. */
function isMissing({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}
