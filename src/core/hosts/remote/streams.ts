import { Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { breakOff } from '../../streams';
import type { OutgoingStream, Taker } from './flow';

/** Bytes that come as a stream and are kept as a whole. */
export class Collector implements Taker {
  private readonly pieces: Buffer[] = [];
  private bytes = 0;
  private failure: Error | null = null;

  constructor(
    private readonly maximumBytes: number,
    /** Is called once when more comes; nothing of that is kept. */
    private readonly onTooMuch: () => void,
  ) {}

  piece(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.bytes > this.maximumBytes) throw new Error(`more than ${this.maximumBytes} bytes came`);
    this.pieces.push(piece);
  }

  end(): void {
    // All of it is here.
  }

  fail(error: Error): void {
    this.failure ??= error;
  }

  broke(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    this.onTooMuch();
  }

  /** @throws why it is not whole */
  whole(): Buffer {
    if (this.failure) throw this.failure;
    return Buffer.concat(this.pieces);
  }
}

/** A stream that goes on into a Writable, which is ended with it, or destroyed with what it failed with. */
export class Delivery implements Taker {
  /** What the Writable failed with; null while it has not. */
  failure: Error | null = null;
  private readonly finished: Promise<void>;

  constructor(
    private readonly output: Writable,
    /** Is called once when the Writable fails by itself. */
    private readonly onFailure: () => void,
  ) {
    this.finished = finished(output, { readable: false }).catch((error: unknown) => this.broke(error));
  }

  piece(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.output.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  }

  async end(): Promise<void> {
    this.output.end();
    await this.finished;
  }

  async fail(error: Error): Promise<void> {
    // It is told to whoever asked in another way.
    this.failure = error;
    breakOff(this.output, error);
    await this.finished;
  }

  broke(error: unknown): void {
    if (this.failure) return;
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.onFailure();
  }
}

/**
 * Sends what a source holds, to its end, which leaves the other direction of a connection as it is. What fails in it is told to the
 * other end, and thrown.
 */
export async function sendAll(source: Readable | string | Buffer, stream: OutgoingStream): Promise<void> {
  try {
    for await (const chunk of source instanceof Readable ? piecesOf(source) : [source])
      await stream.write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    stream.end();
  } catch (error) {
    // Nobody wants it any more, and the source was destroyed for that.
    if (stream.isOver) return;
    stream.fail(error);
    throw error;
  }
}

function piecesOf(source: Readable): AsyncIterable<Buffer | string> {
  return source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer | string>;
}

/** Takes a stream as what a program, or the other end of a connection, is to read. */
export function takenBy(target: Writable): Taker {
  return {
    async piece(piece) {
      if (target.destroyed || target.write(piece)) return;
      await roomIn(target);
    },
    end: () => void target.end(),
    fail: (error) => breakOff(target, error),
    broke: () => undefined,
  };
}

/** Resolves when a stream takes more, or nothing any more. */
function roomIn(target: Writable): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      target.off('drain', go).off('close', go);
      resolve();
    };
    target.on('drain', go).on('close', go);
  });
}
