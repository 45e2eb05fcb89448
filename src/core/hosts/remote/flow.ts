import { MAXIMUM_PIECE_BYTES, ProtocolViolation } from './frames';

/**
 * How much of a stream may be on its way, or wait for who takes it, bytes. Each stream has a window of its own, so that one
 * that nobody takes holds no other up.
 */
export const WINDOW_BYTES = 1024 ** 2;

/** What a sender of a stream has to say. */
export interface OutgoingWords {
  /** Resolves when more may be sent. */
  piece(piece: Buffer): Promise<void>;
  end(): void;
  fail(error: unknown): void;
}

/** The sending end of a stream: no more goes than the other end has room for. */
export class OutgoingStream {
  private credit = WINDOW_BYTES;
  private wake: (() => void) | null = null;
  private over = false;

  constructor(
    private readonly words: OutgoingWords,
    /** Is called when the other end wants no more. */
    private readonly onStop: () => void = () => undefined,
  ) {}

  /** True when nothing more is to be sent: it was ended, has failed, or is not wanted any more. */
  get isOver(): boolean {
    return this.over;
  }

  /** Resolves when all of it is on its way, or nobody wants it. One at a time. */
  async write(chunk: Buffer): Promise<void> {
    for (let sent = 0; sent < chunk.length && !this.over;) {
      if (this.credit === 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      const bytes = Math.min(this.credit, MAXIMUM_PIECE_BYTES, chunk.length - sent);
      this.credit -= bytes;
      await this.words.piece(chunk.subarray(sent, sent + bytes));
      sent += bytes;
    }
  }

  end(): void {
    if (this.over) return;
    this.finish();
    this.words.end();
  }

  fail(error: unknown): void {
    if (this.over) return;
    this.finish();
    this.words.fail(error);
  }

  /** Nothing more is sent, and nothing said of it: what it belongs to has ended. */
  drop(): void {
    this.finish();
  }

  /** The other end has room for more. @throws ProtocolViolation */
  grant(bytes: number): void {
    this.credit += bytes;
    if (this.credit > WINDOW_BYTES) throw new ProtocolViolation('more room than a stream has');
    this.wakeUp();
  }

  /** The other end wants no more. */
  stop(): void {
    if (this.over) return;
    this.finish();
    this.onStop();
  }

  private finish(): void {
    this.over = true;
    this.wakeUp();
  }

  private wakeUp(): void {
    this.wake?.();
    this.wake = null;
  }
}

/** Who takes a stream. */
export interface Taker {
  /** Resolves when there is room for more. What comes after it has thrown is passed over. */
  piece(piece: Buffer): Promise<void> | void;
  end(): Promise<void> | void;
  fail(error: Error): Promise<void> | void;
  /** Is told once why `piece` threw. */
  broke(error: unknown): void;
}

/** The receiving end of a stream. Keeps no more than its window, whatever the other end sends. */
export class IncomingStream {
  private room = WINDOW_BYTES;
  private taken = 0;
  private over = false;
  private broken = false;
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly taker: Taker,
    private readonly grant: (bytes: number) => void,
  ) {}

  /** True once its end has come, or that it has none. */
  get isOver(): boolean {
    return this.over;
  }

  /** When all that has come is taken. */
  get settled(): Promise<void> {
    return this.last;
  }

  /** @throws ProtocolViolation */
  receive(piece: Buffer): void {
    this.assertOpen();
    if (piece.length === 0 || piece.length > this.room)
      throw new ProtocolViolation('more of a stream than there is room');
    this.room -= piece.length;
    this.next(async () => {
      if (!this.broken) await this.taker.piece(piece);
      this.makeRoom(piece.length);
    });
  }

  /** @throws ProtocolViolation */
  end(): void {
    this.assertOpen();
    this.over = true;
    this.next(() => (this.broken ? undefined : this.taker.end()));
  }

  /** @throws ProtocolViolation */
  fail(error: Error): void {
    this.assertOpen();
    this.over = true;
    this.next(() => (this.broken ? undefined : this.taker.fail(error)));
  }

  /** It ends here, unless it has ended: nothing that waits is taken any more, and nobody waits for who takes. */
  cut(error: Error): void {
    if (this.over) return;
    this.over = true;
    this.last = this.broken ? Promise.resolve() : Promise.resolve(this.taker.fail(error));
    this.broken = true;
  }

  private assertOpen(): void {
    if (this.over) throw new ProtocolViolation('a stream that goes on behind its end');
  }

  /** Told a quarter of the window at a time: a sender that has used up its credit finds that much was taken. */
  private makeRoom(bytes: number): void {
    this.taken += bytes;
    if (this.over || this.taken < WINDOW_BYTES / 4) return;
    this.room += this.taken;
    this.grant(this.taken);
    this.taken = 0;
  }

  private next(step: () => Promise<void> | void): void {
    this.last = this.last.then(step).catch((error: unknown) => {
      if (this.broken) return;
      this.broken = true;
      this.taker.broke(error);
    });
  }
}
