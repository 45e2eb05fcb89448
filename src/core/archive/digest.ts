import { createHash } from 'node:crypto';
import type { OpenFile } from '../hosts/master-host';

const CHUNK_BYTES = 1024 * 1024;

/** Reads an open file from its begin, whatever its position, which stays. @throws the signal's reason when cancelled */
export async function digestOf(file: OpenFile, signal: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, chunk.length, bytes);
    if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
    hash.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}
