import { PassThrough } from 'node:stream';
import type { ByteChannel } from '../../src/core/hosts/remote/byte-channel';
import { type Frame, FrameReader, encodeFrame } from '../../src/core/hosts/remote/frames';
import { until } from './until';

/** One end of a channel that says what a test has it say, whatever the protocol wants. */
export class ScriptedEnd {
  /** What the other end has said. */
  readonly heard: Frame[] = [];
  isClosed = false;
  readonly channel: ByteChannel;
  private readonly towards = new PassThrough();
  private readonly backwards = new PassThrough();

  constructor() {
    const reader = new FrameReader();
    this.backwards.on('data', (chunk: Buffer) => this.heard.push(...reader.take(chunk)));
    let onEnded = (): void => undefined;
    const ended = new Promise<void>((resolve) => (onEnded = resolve));
    this.channel = {
      input: this.towards,
      output: this.backwards,
      close: () => {
        this.isClosed = true;
        this.towards.destroy();
        this.backwards.destroy();
        onEnded();
      },
      ended: ended.then(() => ({ exitCode: null, said: '', lost: null })),
    };
  }

  say(header: object, piece?: Buffer): void {
    this.raw(encodeFrame(header, piece));
  }

  raw(bytes: Buffer): void {
    if (!this.towards.destroyed) this.towards.write(bytes);
  }

  /** The first thing of a type that the other end said, once it has. */
  async heardOf(type: string): Promise<Record<string, unknown>> {
    const found = (): Record<string, unknown> | undefined =>
      this.heard.map(({ header }) => header as Record<string, unknown>).find((header) => header['type'] === type);
    await until(`it says ${type}`, () => found() !== undefined);
    return found() ?? {};
  }

  async closed(): Promise<void> {
    await until('the other end closes the connection', () => this.isClosed);
  }
}
