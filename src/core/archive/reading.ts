import type { Writable } from 'node:stream';
import { type ErrorContext, KedgeError, isKedgeError } from '../../contract/errors';
import { followPosition } from '../hosts/file-position';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { decompressorOf, openArchive } from './compression';
import { digestOf } from './digest';

/** Runs the program that decompresses the archive, confined, into a stream. */
export type Decompress = (output: Writable) => Promise<void>;

/**
 * Opens an archive, has `work` read it, and tells its progress and what checksum it has meanwhile. The program that
 * decompresses reads the file itself: through this process each byte would be copied once more.
 * @throws KedgeError ArchiveInvalid, also when bytes stand behind what was compressed
 */
export async function reading(
  master: MasterHost,
  path: string,
  operation: Operation,
  work: (decompress: Decompress) => Promise<unknown>,
  context: ErrorContext = {},
): Promise<{ bytes: number; sha256: string }> {
  const file = await openArchive(master, path);
  try {
    const { argv, complaint } = await decompressorOf(file, path);
    const unfollow = followPosition(file, operation, (await file.stat()).size);
    const decompress: Decompress = async (output) => {
      const failure = (why: string, cause?: unknown): KedgeError =>
        new KedgeError('ArchiveInvalid', `${path} is cut short or corrupt: ${why}`, { ...context, cause });
      const { stderr } = await master.run({ argv, sandbox: {}, inputFile: file, output, operation }).catch((error) => {
        if (isKedgeError(error) && error.code === 'ProgramFailed') throw failure(error.message, error);
        throw error;
      });
      if (complaint?.test(stderr)) throw failure(stderr.trim());
    };
    const [worked, digest] = await Promise.allSettled([work(decompress), digestOf(file, operation.signal)]);
    unfollow();
    operation.signal.throwIfAborted();
    if (worked.status === 'rejected') throw worked.reason;
    if (digest.status === 'rejected') throw digest.reason;
    // What was followed last may be a while ago.
    operation.progress({ bytes: digest.value.bytes, totalBytes: digest.value.bytes });
    return digest.value;
  } finally {
    await file.close();
  }
}
