import { lstat } from 'node:fs/promises';
import type { FileStatus } from './host';

/** What a path is, a link as itself; undefined when nothing is there. */
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
  };
}

/** Also when a file stands where the path wants a folder. */
export function isMissing({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** For `catch`: undefined in the place of what is missing. */
export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}
