import type { Readable } from 'node:stream';

/** The first bytes of a stream, at most so many. What is still to come is not waited for: the stream is ended. @throws what it fails with */
export async function firstBytes(stream: Readable, maximum: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop ends it.
    if (bytes >= maximum) break;
  }
  return Buffer.concat(chunks).subarray(0, maximum);
}
