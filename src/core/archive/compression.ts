import { KedgeError } from '../../contract/errors';
import type { Compression } from '../../contract/tasks';
import type { MasterHost, OpenFile } from '../hosts/master-host';
import { BLOCK, hasChecksum } from './tar-header';

/**
 * zstd on all cores, at the level that takes the time of the first and makes archives 1 % larger than the third does; gzip
 * for whoever has nothing else. tar runs it by itself, so that no byte takes a detour.
 */
export const COMPRESSORS: Record<Compression, string> = { zstd: 'zstd -q -T0 -2', gzip: 'gzip -6' };

/** A program that decompresses. */
export interface Decompressor {
  readonly argv: readonly [string, ...string[]];
  /** What it says on standard error of bytes behind the end where its exit code does not tell. */
  readonly complaint?: RegExp;
}

const ZSTD: Decompressor = { argv: ['zstd', '-q', '-d', '-c'] };
/** Asked to be talkative, or it would pass over zeros behind the end; told, they are an exit code. */
const GZIP: Decompressor = { argv: ['gzip', '-d', '-v', '-c'] };
const BZIP2: Decompressor = { argv: ['bzip2', '-d', '-c'], complaint: /trailing garbage/ };
const NONE: Decompressor = { argv: ['cat'] };

const MAGIC: readonly (readonly [RegExp, Decompressor])[] = [
  [/^\x28\xb5\x2f\xfd/, ZSTD],
  // A frame to be skipped: programs that compress on several cores begin with one.
  [/^[\x50-\x5f]\x2a\x4d\x18/, ZSTD],
  [/^\x1f\x8b/, GZIP],
  [/^BZh/, BZIP2],
];

/** The program that decompresses an archive, by its first bytes; `cat` for a plain tar. @throws KedgeError ArchiveInvalid */
export async function decompressorOf(file: OpenFile, path: string): Promise<Decompressor> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
  if (bytesRead === 0) throw new KedgeError('ArchiveInvalid', `${path} is empty`);
  const begin = buffer.toString('latin1', 0, 4);
  for (const [magic, decompressor] of MAGIC) if (magic.test(begin)) return decompressor;
  // By its magic a tar that is damaged is still known as one; older ones have none.
  if (buffer.toString('latin1', 257, 262) === 'ustar' || hasChecksum(buffer)) return NONE;
  throw new KedgeError('ArchiveInvalid', `${path} is no archive: neither zstd, gzip, bzip2 nor tar`);
}

/** Opens an archive for reading, never through a link. @throws KedgeError ArchiveInvalid */
export async function openArchive(master: MasterHost, path: string): Promise<OpenFile> {
  return master.openForReading(path).catch((cause: NodeJS.ErrnoException) => {
    throw new KedgeError('ArchiveInvalid', `${path} cannot be read: ${cause.code ?? cause.message}`, { cause });
  });
}
