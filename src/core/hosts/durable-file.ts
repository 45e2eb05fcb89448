import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileAttributes } from './host';

/** Names of the temporary files of {@link writeFileDurably}: what a crash in the middle of one leaves. */
export const UNFINISHED_FILE = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * The one way a file is written: temporary name in the same folder, mode and owner, fsync, rename, fsync of the folder.
 * Whoever reads sees the old content or the new, also after a power cut.
 */
export async function writeFileDurably(
  path: string,
  content: string | Buffer,
  attributes: FileAttributes,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    await fill(file, content, attributes);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function fill(file: FileHandle, content: string | Buffer, { mode, uid, gid }: FileAttributes): Promise<void> {
  try {
    await file.writeFile(content);
    if (uid !== undefined || gid !== undefined) await file.chown(uid ?? -1, gid ?? -1);
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames and removals in a folder last. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
