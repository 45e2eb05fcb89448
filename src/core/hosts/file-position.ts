import { readFile, type FileHandle } from 'node:fs/promises';
import type { Operation } from '../operation';

const INTERVAL_MS = 200;

/**
 * Tells the progress of a program that reads or writes an open file itself: the file's position, which all share who
 * were handed it. Until the returned function is called.
 */
export function followPosition(file: FileHandle, operation: Operation, totalBytes?: number): () => void {
  const tell = async (): Promise<void> => {
    const position = /^pos:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${file.fd}`, 'latin1'))?.[1];
    operation.progress({ bytes: Number(position ?? 0), ...(totalBytes === undefined ? {} : { totalBytes }) });
  };
  // A look that comes too late finds the file closed.
  const timer = setInterval(() => void tell().catch(() => undefined), INTERVAL_MS);
  return () => clearInterval(timer);
}
