import { version } from '../../package.json';
import { type Frame, FrameReader, encodeFrame } from '../../src/core/hosts/remote/frames';
import { PROTOCOL } from '../../src/core/hosts/remote/messages';
import { HOST_PROGRAM, type PipedChannel, pipedChannel } from './host-program';
import { until } from './until';

/** What became of a request: what it returned, or the error that came back. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string | null; readonly message: string; readonly hint?: string };
  /** What came of its output. */
  readonly output: string;
}

/** Somebody who has the key of a master and speaks its protocol, with the program of servers on a pipe. */
export class RawMaster {
  private readonly heard: Frame[] = [];
  private readonly channel: PipedChannel;
  private last = 0;

  /** `argv`: what starts the program. Default: as this account, with these arguments. */
  constructor(args: readonly string[], argv: readonly [string, ...string[]] = [process.execPath, HOST_PROGRAM]) {
    this.channel = pipedChannel([...argv, ...args]);
    const reader = new FrameReader();
    this.channel.input.on('data', (chunk: Buffer) => this.heard.push(...reader.take(chunk)));
    this.channel.output.on('error', () => undefined);
    this.say({ type: 'hello', protocol: PROTOCOL, version });
    this.say({ type: 'begin', server: 'web1', rhythm: { heartbeatMs: 600_000, silenceMs: 600_000 } });
  }

  /** Asks for something. `sends`: the stream that goes with it, and what it holds. */
  async ask(
    request: object,
    sends?: { readonly stream: 'input' | 'content'; readonly bytes: Buffer },
  ): Promise<Answer> {
    const id = (this.last += 1);
    this.say({ type: 'request', id, request });
    if (sends) {
      if (sends.bytes.length > 0) this.say({ type: 'piece', id, stream: sends.stream }, sends.bytes);
      this.say({ type: 'end', id, stream: sends.stream });
    }
    const mine = (): { header: Record<string, unknown>; piece: Buffer }[] =>
      this.heard
        .map(({ header, piece }) => ({ header: header as Record<string, unknown>, piece }))
        .filter(({ header }) => header['id'] === id);
    const isAnswer = ({ header }: { header: Record<string, unknown> }): boolean =>
      header['type'] === 'returned' || header['type'] === 'threw';
    await until('it is answered', () => mine().some(isAnswer) || this.channel.child.exitCode !== null);
    const answer = mine().find(isAnswer)?.header;
    if (!answer) throw new Error(`the program ended: ${(await this.channel.ended).said}`);
    const pieces = mine().filter(({ header }) => header['type'] === 'piece');
    return {
      value: answer['value'],
      ...(answer['type'] === 'threw' ? { error: answer['error'] as NonNullable<Answer['error']> } : {}),
      output: Buffer.concat(pieces.map(({ piece }) => piece)).toString('utf8'),
    };
  }

  /** A program, in a sandbox where one is given. */
  run(argv: readonly string[], more: object = {}, input?: Buffer): Promise<Answer> {
    const request = {
      ...{ method: 'run', mark: 'stolen', argv, input: input !== undefined, output: false, errorOutput: false },
      ...{ wantsResult: false, ...more },
    };
    return this.ask(request, input && { stream: 'input', bytes: input });
  }

  async close(): Promise<void> {
    this.channel.close();
    await this.channel.ended;
  }

  private say(header: object, piece?: Buffer): void {
    this.channel.output.write(encodeFrame(header, piece));
  }
}
