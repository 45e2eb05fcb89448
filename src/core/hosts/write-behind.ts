import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 100;

/**
 * Brings to the disk what others write to an open file, while they do: a sync at the end would find all of it still in
 * memory, and the disk idle until then. Until the returned function is called, whose promise ends with a last sync.
 */
export function writeBehind(file: FileHandle): () => Promise<void> {
  const stop = new AbortController();
  const writing = (async () => {
    while (!stop.signal.aborted) {
      await file.datasync();
      await delay(PAUSE_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  // An error of the disk is told by the last sync.
  writing.catch(() => undefined);
  return async () => {
    stop.abort();
    await writing;
    await file.sync();
  };
}
