import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KedgeError } from '../../contract/errors';
import type { Compression } from '../../contract/tasks';

/**
 * zstd on all cores, at the level that takes the time of the first and makes archives 1 % larger than the third does; gzip
 * for whoever has nothing else. tar runs it by itself, so that no byte takes a detour.
 */
export const COMPRESSORS: Record<Compression, string> = { zstd: 'zstd -q -T0 -2', gzip: 'gzip -6' };

const MAGIC: [number[], string[]][] = [
  [
    [0x28, 0xb5, 0x2f, 0xfd],
    ['zstd', '-q', '-d', '-c'],
  ],
  [
    [0x1f, 0x8b],
    ['gzip', '-d', '-c'],
  ],
  [
    [0x42, 0x5a, 0x68],
    ['bzip2', '-d', '-c'],
  ],
];
/** `ustar` stands at byte 257 of a tar that is not compressed. */
const TAR_MAGIC_OFFSET = 257;

/** The program that decompresses an archive, by its first bytes; `cat` for a plain tar. @throws KedgeError ArchiveInvalid */
export async function decompressorOf(file: FileHandle, path: string): Promise<[string, ...string[]]> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
  if (bytesRead === 0) throw new KedgeError('ArchiveInvalid', `${path} is empty`);
  for (const [magic, [program = '', ...args]] of MAGIC) {
    if (magic.every((byte, index) => buffer[index] === byte)) return [program, ...args];
  }
  if (buffer.toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5) === 'ustar') return ['cat'];
  throw new KedgeError('ArchiveInvalid', `${path} is no archive: neither zstd, gzip, bzip2 nor tar`);
}

/** Opens an archive for reading, never through a link. @throws KedgeError ArchiveInvalid */
export async function openArchive(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new KedgeError('ArchiveInvalid', `${path} cannot be read: ${cause.code ?? cause.message}`, { cause });
    },
  );
}
