/** A short collection takes half a millisecond. With 16 MiB between two of them a worker takes 15 MB more. */
const COLLECT_EVERY_BYTES = 4 * 1024 * 1024;

let passedBytes = 0;

/**
 * Says that a piece of a stream has passed through this process, bytes. What pieces lie in is outside V8's heap, which
 * hardly grows meanwhile: 32 MB of them gather before V8 looks what can go. Where a process has a `gc`, as the worker has,
 * its short collection is run every few megabytes: docs/decisions/0060.
 */
export function piecePassed(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < COLLECT_EVERY_BYTES) return;
  passedBytes = 0;
  globalThis.gc?.({ type: 'minor' });
}
