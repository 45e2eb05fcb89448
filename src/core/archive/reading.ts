import type { FileHandle } from 'node:fs/promises';
import { type ErrorContext, KedgeError, isKedgeError } from '../../contract/errors';
import { followPosition } from '../hosts/file-position';
import type { Operation } from '../operation';
import { decompressorOf, openArchive } from './compression';
import { digestOf } from './digest';

/**
 * Hands an archive, opened, with the program that decompresses it to `work`, and tells its progress and what checksum it
 * has meanwhile. The program reads the file itself: through this process each byte would be copied twice more.
 * @throws KedgeError ArchiveInvalid, also for a program that fails
 */
export async function reading(
  path: string,
  operation: Operation,
  work: (file: FileHandle, decompressor: [string, ...string[]]) => Promise<unknown>,
  context: ErrorContext = {},
): Promise<{ bytes: number; sha256: string }> {
  const file = await openArchive(path);
  try {
    const decompressor = await decompressorOf(file, path);
    const unfollow = followPosition(file, operation, (await file.stat()).size);
    const [worked, digest] = await Promise.allSettled([work(file, decompressor), digestOf(file, operation.signal)]);
    unfollow();
    operation.signal.throwIfAborted();
    if (worked.status === 'rejected') throw archiveFailure(path, worked.reason, context);
    if (digest.status === 'rejected') throw digest.reason;
    // What was followed last may be a while ago.
    operation.progress({ bytes: digest.value.bytes, totalBytes: digest.value.bytes });
    return digest.value;
  } finally {
    await file.close();
  }
}

function archiveFailure(path: string, error: unknown, context: ErrorContext): unknown {
  if (!isKedgeError(error) || error.code !== 'ProgramFailed') return error;
  return new KedgeError('ArchiveInvalid', `${path} is cut short or corrupt: ${error.message}`, {
    ...context,
    cause: error,
  });
}
