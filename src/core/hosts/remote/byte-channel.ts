import type { Readable, Writable } from 'node:stream';

/** How a channel ended. */
export interface ChannelEnd {
  /** Of the program at its far end; null where nobody knows. */
  readonly exitCode: number | null;
  /** The end of what the program said on standard error. */
  readonly said: string;
  /** Why the way there is gone, in lower case and without a full stop; null where the program ended by itself. */
  readonly lost: string | null;
}

/** Bytes to a program at a far end and back: a pipe, or a channel of SSH. */
export interface ByteChannel {
  readonly input: Readable;
  readonly output: Writable;
  /** Cuts it. What was not sent is not sent any more. May be called again. */
  close(): void;
  /** When nothing comes and nothing goes any more. */
  readonly ended: Promise<ChannelEnd>;
}
