import { constants } from 'node:fs';
import { type FileHandle, access, link, lstat, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { ownUid } from '../../trust/trusted-path';
import { diskFullOr } from './disk-full';
import { syncFolder } from './durable-file';
import { ignoreMissing, isMissing, statusOf } from './file-status';
import type { FileAttributes, FreeSpace } from './host';
import { inFolderOf, within } from './open-path';

const DEFAULT_MAXIMUM_BYTES = 1024 * 1024;

export async function readSmallFile(
  path: string,
  server: string,
  maximumBytes = DEFAULT_MAXIMUM_BYTES,
): Promise<Buffer> {
  const refuse = (why: string): KedgeError => new KedgeError('FileRefused', `${path} on ${server} ${why}`, { server });
  const file = await openForReading(path).catch((error: NodeJS.ErrnoException) => {
    if (isMissing(error)) throw refuse('does not exist');
    // A socket.
    if (error.code === 'ENXIO') throw refuse('is no regular file');
    if (error.code === 'ELOOP') throw refuse('is a symbolic link');
    throw error;
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw refuse('is no regular file');
    if (status.size > maximumBytes) throw refuse(`is larger than ${maximumBytes} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

export async function namesIn(path: string): Promise<string[]> {
  return ((await readdir(path).catch(ignoreMissing)) ?? []).sort();
}

/** Also below a folder of somebody who renames and lays links meanwhile: nothing but what is made here is changed. */
export async function makeFolders(path: string, attributes: FileAttributes, server: string): Promise<void> {
  if (await statusOf(path)) return;
  if (dirname(path) !== path) await makeFolders(dirname(path), attributes, server);
  await inFolderOf(path, server, (place) => makeFolderAt(place, path, attributes, server));
}

/** Makes one folder at a place, `path` to people. One that is there already is kept as it is. */
export async function makeFolderAt(
  place: string,
  path: string,
  attributes: FileAttributes,
  server: string,
): Promise<void> {
  await mkdir(place, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const folder = await open(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await attribute(folder, path, attributes, server);
  } finally {
    await folder.close();
  }
  await syncFolder(dirname(place));
}

async function attribute(
  folder: FileHandle,
  path: string,
  { mode, uid, gid }: FileAttributes,
  server: string,
): Promise<void> {
  // What we just made is ours and empty. Anything else was put in its place, and is not given away.
  const isMade = (await folder.stat()).uid === ownUid() && (await readdir(within(folder))).length === 0;
  if (!isMade && (uid ?? ownUid()) !== ownUid())
    throw new KedgeError('FileRefused', `something else was put in the place of ${path} on ${server}`, { server });
  if (uid !== undefined || gid !== undefined) await folder.chown(uid ?? -1, gid ?? -1);
  await folder.chmod(mode);
}

/**
 * Renames without replacing. Files go by a hard link, which refuses an existing name; a folder never replaces a file or
 * a folder that holds something. A crash between link and unlink leaves both names: the next attempt completes it.
 * Both folders are opened first, without following links that others may have laid.
 */
export async function renameWithoutReplacing(from: string, to: string, server: string): Promise<void> {
  await inFolderOf(from, server, (source) =>
    inFolderOf(to, server, (target) => renamePlaces({ source, target }, { from, to }, server)),
  );
}

/** As {@link renameWithoutReplacing}, from one place in an opened folder to another; `from` and `to` are what people call them. */
export async function renamePlaces(
  { source, target }: { readonly source: string; readonly target: string },
  { from, to }: { readonly from: string; readonly to: string },
  server: string,
): Promise<void> {
  const status = await lstat(source);
  const existing = await lstat(target).catch(ignoreMissing);
  const halfDone = existing?.isFile() && existing.dev === status.dev && existing.ino === status.ino && from !== to;
  const taken = new KedgeError('FileRefused', `${to} on ${server} exists already`, { server });
  if (existing && !halfDone) throw taken;
  if (status.isFile()) {
    const linked = halfDone || (await link(source, target).then(() => true, ignoreExisting));
    // Somebody else was quicker.
    if (!linked) throw taken;
    await unlink(source);
  } else {
    await rename(source, target);
  }
  await syncFolder(dirname(target));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(source));
}

function ignoreExisting(error: NodeJS.ErrnoException): false {
  if (error.code !== 'EEXIST') throw error;
  return false;
}

/** `MasterHost.openForReading`. */
export function openForReading(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** `MasterHost.openForWriting`. */
export async function openForWriting(path: string, server: string): Promise<FileHandle> {
  return open(path, 'w', 0o600).catch((error: unknown) => {
    throw diskFullOr(error, server);
  });
}

export async function removeOne(path: string): Promise<void> {
  const removed = await unlink(path).then(
    () => true,
    async (error: NodeJS.ErrnoException) => {
      // A disk that is read-only refuses before it looks whether there is something to remove.
      if (error.code !== 'EROFS' || (await statusOf(path))) return ignoreMissing(error);
    },
  );
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
