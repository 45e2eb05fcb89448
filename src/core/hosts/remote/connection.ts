import { piecePassed } from '../passed-pieces';
import type { ByteChannel } from './byte-channel';
import { type Frame, FrameReader, ProtocolViolation, encodeFrame } from './frames';
import type { Rhythm } from './messages';

/** More than this waits for an end that takes nothing, though every stream has a window: it is taken to be hostile, bytes. */
const MAXIMUM_WAITING_BYTES = 64 * 1024 ** 2;
/** Looks at which nothing had come, before the other end is taken to be gone. */
const LOOKS = 8;

/** The channel is closed, for a reason that it tells itself: {@link ByteChannel.ended}. */
export class ChannelClosed extends Error {
  override readonly name = 'ChannelClosed';
}

/**
 * One end of a channel, as frames. Whatever is wrong with it ends it for good: what the other end sends against the protocol, its
 * silence, a stream that breaks.
 */
export class Connection {
  /** Why it is over; null while it is not. */
  private over: Error | null = null;
  private readonly reader = new FrameReader();
  private silentLooks = 0;
  private timers: NodeJS.Timeout[] = [];
  private onClosed: (reason: Error) => void = () => undefined;
  private drained: Promise<void> | null = null;
  private wakeUp: () => void = () => undefined;

  /** When it is over, with the reason. */
  readonly closed = new Promise<Error>((resolve) => (this.onClosed = resolve));

  constructor(
    private readonly channel: ByteChannel,
    /** Is given each frame in turn. What it throws ends the connection. */
    private readonly onFrame: (frame: Frame) => void,
  ) {
    const { input, output } = channel;
    input.on('data', (chunk: Buffer) => this.take(chunk));
    input.on('end', () => this.close(new ChannelClosed('the other end closed it')));
    for (const stream of [input, output]) {
      stream.on('error', (error: Error) => this.close(new ChannelClosed(error.message)));
      stream.on('close', () => this.close(new ChannelClosed('it was cut')));
    }
    output.on('drain', () => this.wake());
    void channel.ended.then(() => this.close(new ChannelClosed('it was cut')));
  }

  get reason(): Error | null {
    return this.over;
  }

  /** From now on each end says that it is there, and expects the other to. */
  keep({ heartbeatMs, silenceMs }: Rhythm): void {
    if (this.over) return;
    this.timers.push(
      setInterval(() => this.send({ type: 'beat' }), heartbeatMs),
      // Counted, not measured: this process may be stopped itself meanwhile.
      setInterval(() => {
        this.silentLooks += 1;
        if (this.silentLooks > LOOKS) this.close(new Error(`nothing came for ${silenceMs / 1000} s`));
      }, silenceMs / LOOKS),
    );
  }

  /** Nothing happens when it is over. @throws ProtocolViolation for what is too long */
  send(message: object, piece?: Buffer): void {
    if (this.over) return;
    if (piece) piecePassed(piece.length);
    const { output } = this.channel;
    if (!output.write(encodeFrame(message, piece)))
      this.drained ??= new Promise<void>((resolve) => (this.wakeUp = resolve));
    if (output.writableLength > MAXIMUM_WAITING_BYTES)
      this.close(new Error('the other end takes nothing of what it is sent'));
  }

  /** When the channel takes more; at once when it does, or when the connection is over. */
  async ready(): Promise<void> {
    await this.drained;
  }

  /** Ends it, at once. The first reason counts. */
  close(reason: Error): void {
    if (this.over) return;
    this.over = reason;
    for (const timer of this.timers) clearInterval(timer);
    this.wake();
    this.channel.close();
    this.onClosed(reason);
  }

  /** As {@link close}, once what was sent has gone. */
  async finish(reason: Error): Promise<void> {
    await new Promise<void>((resolve) => {
      void this.closed.then(() => resolve());
      this.channel.output.end(() => resolve());
    });
    this.close(reason);
  }

  private take(chunk: Buffer): void {
    this.silentLooks = 0;
    try {
      for (const frame of this.reader.take(chunk)) {
        if (this.over) return;
        piecePassed(frame.piece.length);
        this.onFrame(frame);
      }
    } catch (error) {
      this.close(error instanceof Error ? error : new ProtocolViolation(String(error)));
    }
  }

  private wake(): void {
    this.drained = null;
    this.wakeUp();
  }
}
