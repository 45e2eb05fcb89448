import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/**
 * Has somebody listen to the failure of a stream from now on. A stream that fails while nobody does ends the whole process, as
 * Node does with any error without a listener. Those who read or write it are told as before.
 */
export function withListener<T extends EventEmitter>(stream: T): T {
  return stream.on('error', () => undefined);
}

/**
 * Destroys a stream with the reason that whoever reads or writes it is told; none is told where there is none. Who reads or
 * writes it may not have begun yet, or have left: then nobody is told, and nothing else happens.
 */
export function breakOff(stream: Readable | Writable, reason: unknown): void {
  withListener(stream);
  if (reason === null || reason === undefined) stream.destroy();
  else stream.destroy(reason instanceof Error ? reason : new Error('it was broken off', { cause: reason }));
}
