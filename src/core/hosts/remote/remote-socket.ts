import { Duplex } from 'node:stream';
import { breakOff, withListener } from '../../streams';
import type { OutgoingStream, Taker } from './flow';

/** The master's end of a connection that a server has made for it. It has ended when it has there too, or was cut. */
export class RemoteSocket extends Duplex {
  private outgoing: OutgoingStream | null = null;
  private carried: Promise<unknown> = Promise.resolve();
  private wake: () => void = () => undefined;

  /** Takes what comes. */
  readonly taker: Taker = {
    piece: (piece) => this.keep(piece),
    end: () => void this.push(null),
    fail: (error) => breakOff(this, error),
    broke: () => undefined,
  };

  constructor(
    /** Ends it there, at once. */
    private readonly cut: () => void,
  ) {
    super();
    withListener(this);
  }

  /** What is written goes this way. */
  sendBy(outgoing: OutgoingStream): void {
    this.outgoing = outgoing;
  }

  /** Ends with the request that carries it: once that has ended nothing is left of it at the server. */
  lastsAs(carried: Promise<unknown>): void {
    this.carried = carried;
    carried.then(
      () => this.endUnlessWhole(),
      (error: Error) => breakOff(this, error),
    );
  }

  override _read(): void {
    this.wake();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    void this.outgoing?.write(chunk).then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.outgoing?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.wake();
    if (error === null && this.readableEnded && this.writableFinished) {
      // What is still on its way there arrives.
      this.carried.then(() => done(), done);
      return;
    }
    this.cut();
    done(error);
  }

  private endUnlessWhole(): void {
    if (!this.writableEnded) breakOff(this, new Error('the connection was closed'));
  }

  /** Resolves when there is room for more, or nobody reads it any more. */
  private async keep(piece: Buffer): Promise<void> {
    if (this.destroyed || this.push(piece)) return;
    await new Promise<void>((resolve) => (this.wake = resolve));
  }
}
