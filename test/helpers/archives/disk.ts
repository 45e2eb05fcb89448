import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** What lies at a path, as `lstat` tells. */
export interface DiskEntry {
  readonly type: 'file' | 'folder' | 'link' | 'device' | 'pipe' | 'socket';
  /** All twelve permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds. */
  readonly mtime: bigint;
  readonly bytes: number;
  readonly links: number;
  /** Of a file. */
  readonly sha256?: string;
  /** Of a link, latin-1. */
  readonly target?: string;
}

/** All that lies in a folder, by name as bytes (latin-1) relative to it; the folder itself is ''. Follows no link. */
export function filesOn(path: string): Map<string, DiskEntry> {
  const found = new Map<string, DiskEntry>();
  const look = (at: Buffer, name: string): void => {
    const status = lstatSync(at, { bigint: true });
    found.set(name, entryOf(at, status));
    if (!status.isDirectory()) return;
    for (const child of readdirSync(at, { encoding: 'buffer' }))
      look(Buffer.concat([at, Buffer.from('/'), child]), `${name && `${name}/`}${child.toString('latin1')}`);
  };
  look(Buffer.from(path), '');
  return found;
}

function entryOf(path: Buffer, status: BigIntStats): DiskEntry {
  const type = typeOf(status);
  return {
    type,
    mode: Number(status.mode & 0o7777n),
    uid: Number(status.uid),
    gid: Number(status.gid),
    mtime: status.mtimeNs,
    bytes: type === 'file' ? Number(status.size) : 0,
    links: type === 'file' ? Number(status.nlink) : 1,
    ...(type === 'file' ? { sha256: sha256(readFileSync(path)) } : {}),
    ...(type === 'link' ? { target: readlinkSync(path, { encoding: 'buffer' }).toString('latin1') } : {}),
  };
}

function typeOf(status: BigIntStats): DiskEntry['type'] {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'folder';
  if (status.isSymbolicLink()) return 'link';
  if (status.isFIFO()) return 'pipe';
  return status.isSocket() ? 'socket' : 'device';
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
