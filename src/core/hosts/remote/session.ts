import { setTimeout as delay } from 'node:timers/promises';
import type { Operation } from '../../operation';
import { KedgeError } from '../../../contract/errors';
import type { ByteChannel, ChannelEnd } from './byte-channel';
import { ChannelClosed, Connection } from './connection';
import { IncomingStream, OutgoingStream, type Taker } from './flow';
import { type Frame, ProtocolViolation } from './frames';
import {
  type FromHost,
  type KindOfRequest,
  MAXIMUM_AT_ONCE,
  type Method,
  PROTOCOL,
  type Request,
  type Returned,
  type Rhythm,
  type StreamBackwards,
  type StreamTowards,
  type Welcome,
  decodeFromHost,
  decodeRequest,
  decodeReturned,
  decodeWelcome,
  kindOf,
} from './messages';
import { Slots } from './slots';
import { fromWire } from './wire-error';

export interface SessionOptions {
  readonly server: string;
  /** The version of this Kedge, which the program at the far end has to be of too. */
  readonly version: string;
  /** The command that puts the program of this version there, for a person. */
  readonly installCommand: string;
  readonly rhythm: Rhythm;
  /** How long the program may take to answer, ms. */
  readonly answerWithinMs: number;
  /** How long what was cancelled may take to end, ms; then the connection is cut, which ends it too. */
  readonly endWithinMs: number;
}

/** A request, and what flows with it. */
export interface Call<M extends Method> {
  readonly request: Extract<Request, { method: M }>;
  /** Is told progress, and what is to be logged. */
  readonly operation?: Operation;
  /** Cancels it. */
  readonly signal?: AbortSignal;
  /** Who takes the streams that come back. */
  readonly takers?: Partial<Record<StreamBackwards, Taker>>;
  /** Is given the streams that go there, once the request has gone. */
  readonly onSent?: (stream: (name: StreamTowards, onStop: () => void) => OutgoingStream) => void;
  /** Is called when the lock is held, with what gives it back. From then on its work ends the call, and not its signal. */
  readonly onLocked?: (unlock: () => void) => void;
  /** Is called when a connection was made. */
  readonly onConnected?: () => void;
}

/** A request that is under way. */
interface Pending {
  readonly method: Method;
  readonly incoming: ReadonlyMap<StreamBackwards, IncomingStream>;
  readonly outgoing: Map<string, OutgoingStream>;
  readonly operation: Operation | undefined;
  readonly onLocked: () => void;
  readonly onConnected: () => void;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  logged: number;
}

/** So many lines a request may write into a log here. */
const MAXIMUM_LINES = 1_000;
const SAID_CHARACTERS = 500;
/** A program that has closed its output tells soon with what it ended. */
const END_TOLD_WITHIN_MS = 1_000;

/** The master's end of a connection to a program at a server. */
export class Session {
  private readonly connection: Connection;
  private readonly pending = new Map<number, Pending>();
  private readonly slots: Readonly<Record<KindOfRequest, Slots>> = {
    request: new Slots(MAXIMUM_AT_ONCE.request),
    lock: new Slots(MAXIMUM_AT_ONCE.lock),
    connection: new Slots(MAXIMUM_AT_ONCE.connection),
  };
  private last = 0;
  private welcome: Welcome | null = null;
  private onWelcome: (welcome: Welcome) => void = () => undefined;
  private failure: Promise<KedgeError> | null = null;

  private constructor(
    private readonly channel: ByteChannel,
    private readonly options: SessionOptions,
  ) {
    this.connection = new Connection(channel, (frame) => this.receive(frame));
    void this.connection.closed.then(() => this.lose());
  }

  /**
   * Greets the program at the far end of a channel.
   * @throws KedgeError HostProgramUnfit when it is missing, of another version, or none that answers; HostUnreachable
   */
  static async open(channel: ByteChannel, options: SessionOptions): Promise<Session> {
    const session = new Session(channel, options);
    await session.greet();
    return session;
  }

  get uid(): number {
    return this.welcome?.uid ?? 0;
  }

  get isOpen(): boolean {
    return this.connection.reason === null;
  }

  close(): void {
    this.connection.close(new Error('it is not needed any more'));
  }

  /** When the connection is over. */
  get closed(): Promise<unknown> {
    return this.connection.closed;
  }

  /** When the channel has ended: to the program on a pipe that is when it has. */
  get ended(): Promise<unknown> {
    return this.channel.ended;
  }

  /**
   * Asks for something and waits until it has ended there, also when it is cancelled meanwhile.
   * @throws KedgeError what the host threw; HostUnreachable when the connection is lost, and nobody knows what was done; the signal's reason
   */
  async call<M extends Method>(call: Call<M>): Promise<Returned<M>> {
    const giveBack = await this.slots[kindOf(call.request.method)].take(call.signal);
    try {
      if (!this.isOpen) throw await this.explain();
      return await this.ask(call);
    } finally {
      giveBack();
    }
  }

  private async ask<M extends Method>(call: Call<M>): Promise<Returned<M>> {
    const { takers = {}, operation, signal } = call;
    const { method } = call.request;
    const request = this.possible(method, () => decodeRequest(call.request));
    const id = (this.last += 1);
    const incoming = new Map(
      Object.entries(takers).map(([name, taker]) => [
        name as StreamBackwards,
        new IncomingStream(taker, (bytes) => this.connection.send({ type: 'credit', id, stream: name, bytes })),
      ]),
    );
    const outgoing = new Map<string, OutgoingStream>();
    let patience: NodeJS.Timeout | undefined;
    const heedNoMore = (): void => {
      clearTimeout(patience);
      signal?.removeEventListener('abort', onAbort);
    };
    const onLocked = (): void => {
      heedNoMore();
      call.onLocked?.(() => this.connection.send({ type: 'unlock', id }));
    };
    const answer = new Promise<unknown>((resolve, reject) => {
      const onConnected = (): void => call.onConnected?.();
      this.pending.set(id, {
        method,
        incoming,
        outgoing,
        operation,
        onLocked,
        onConnected,
        resolve,
        reject,
        logged: 0,
      });
    });
    // It may fail before it is waited for.
    answer.catch(() => undefined);
    const onAbort = (): void => {
      this.connection.send({ type: 'cancel', id });
      const seconds = this.options.endWithinMs / 1000;
      patience = setTimeout(
        () => this.connection.close(new Error(`what was cancelled did not end within ${seconds} s`)),
        this.options.endWithinMs,
      );
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.possible(method, () => this.connection.send({ type: 'request', id, request }));
      call.onSent?.((name, onStop) => {
        const stream = new OutgoingStream(this.wordsOf(id, name), onStop);
        outgoing.set(name, stream);
        return stream;
      });
      return (await answer) as Returned<M>;
    } catch (error) {
      for (const stream of incoming.values()) stream.cut(error as Error);
      throw error;
    } finally {
      heedNoMore();
      this.pending.delete(id);
      for (const stream of outgoing.values()) stream.drop();
      for (const stream of incoming.values()) stream.cut(new ProtocolViolation('a stream without an end'));
      await Promise.all([...incoming.values()].map(({ settled }) => settled));
    }
  }

  /** A request that no host would take is a mistake of whoever makes it, and ends no connection. @throws KedgeError Internal */
  private possible<T>(method: Method, step: () => T): T {
    try {
      return step();
    } catch (error) {
      const { server } = this.options;
      const why = error instanceof Error ? error.message : String(error);
      throw new KedgeError('Internal', `${method} on ${server} cannot be asked for: ${why}`, { server });
    }
  }

  private wordsOf(id: number, stream: StreamTowards) {
    return {
      piece: (piece: Buffer): Promise<void> => {
        this.connection.send({ type: 'piece', id, stream }, piece);
        return this.connection.ready();
      },
      end: () => this.connection.send({ type: 'end', id, stream }),
      fail: () => this.connection.send({ type: 'fail', id, stream }),
    };
  }

  private async greet(): Promise<void> {
    const { server, version, rhythm, answerWithinMs, installCommand } = this.options;
    const welcomed = new Promise<Welcome>((resolve) => (this.onWelcome = resolve));
    const timer = setTimeout(
      () => this.connection.close(new Error(`kedge-host did not answer within ${answerWithinMs / 1000} s`)),
      answerWithinMs,
    );
    this.connection.send({ type: 'hello', protocol: PROTOCOL, version });
    const welcome = await Promise.race([welcomed, this.connection.closed.then(() => null)]);
    clearTimeout(timer);
    if (!welcome) throw await this.explain();
    if (welcome.protocol !== PROTOCOL || welcome.version !== version) {
      this.close();
      throw new KedgeError(
        'HostProgramUnfit',
        `kedge-host on ${server} is of version ${named(welcome)}, and this Kedge of ${named({ protocol: PROTOCOL, version })}`,
        { server, hint: `Put this version there: \`${installCommand}\`.` },
      );
    }
    this.connection.send({ type: 'begin', server, rhythm });
    this.connection.keep(rhythm);
  }

  private receive({ header, piece }: Frame): void {
    if (this.welcome === null) {
      this.welcome = decodeWelcome(header);
      this.onWelcome(this.welcome);
      return;
    }
    const message = decodeFromHost(header);
    if (message.type === 'beat') return;
    const pending = this.pending.get(message.id);
    if (!pending) throw new ProtocolViolation('an answer to what was not asked');
    this.hear(pending, message, piece);
  }

  private hear(pending: Pending, message: Exclude<FromHost, { type: 'beat' }>, piece: Buffer): void {
    switch (message.type) {
      case 'returned':
        this.settle(message.id, () => pending.resolve(decodeReturned(pending.method, message.value)));
        break;
      case 'threw':
        this.settle(message.id, () => pending.reject(fromWire(message.error, this.options.server)));
        break;
      case 'locked':
        if (pending.method !== 'withLock') throw new ProtocolViolation('a lock that was not asked for');
        pending.onLocked();
        break;
      case 'connected':
        if (pending.method !== 'connectTo') throw new ProtocolViolation('a connection that was not asked for');
        pending.onConnected();
        break;
      case 'progress':
        pending.operation?.progress(message.progress);
        break;
      case 'log':
        pending.logged += 1;
        if (pending.logged <= MAXIMUM_LINES) pending.operation?.log[message.level](message.message, message.fields);
        break;
      case 'piece':
        streamOf(pending, message.stream).receive(piece);
        break;
      case 'end':
        streamOf(pending, message.stream).end();
        break;
      case 'fail':
        streamOf(pending, message.stream).fail(fromWire(message.error, this.options.server));
        break;
      case 'stop':
        pending.outgoing.get(message.stream)?.stop();
        break;
      case 'credit':
        pending.outgoing.get(message.stream)?.grant(message.bytes);
        break;
    }
  }

  private settle(id: number, how: () => void): void {
    how();
    this.pending.delete(id);
  }

  /** Nobody knows what became of what was under way. */
  private async lose(): Promise<void> {
    const error = await this.explain();
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }

  private explain(): Promise<KedgeError> {
    return (this.failure ??= this.endOfChannel().then((end) => this.describe(end)));
  }

  /** What it tells of its end, when it ended by itself. */
  private async endOfChannel(): Promise<ChannelEnd> {
    const unknown: ChannelEnd = { exitCode: null, said: '', lost: null };
    if (!(this.connection.reason instanceof ChannelClosed)) return unknown;
    return Promise.race([this.channel.ended, delay(END_TOLD_WITHIN_MS, unknown)]);
  }

  private describe(end: ChannelEnd): KedgeError {
    const { server, installCommand } = this.options;
    const reason = this.connection.reason;
    if (reason instanceof ProtocolViolation)
      return new KedgeError('HostProgramUnfit', `kedge-host on ${server} sent ${reason.message}`, {
        server,
        cause: reason,
        hint: `Is another program started there, or something printed at each login? Put kedge-host there: \`${installCommand}\`.`,
      });
    if (this.welcome === null && end.exitCode !== null) {
      const said = end.said.trim().slice(-SAID_CHARACTERS);
      return new KedgeError(
        'HostProgramUnfit',
        `kedge-host on ${server} ended with ${end.exitCode} before it answered${said === '' ? '' : `: ${said}`}`,
        { server, hint: `Put it there: \`${installCommand}\`; it needs Node 20.19 or later.` },
      );
    }
    const why = end.lost ?? reason?.message ?? 'it was cut';
    return new KedgeError('HostUnreachable', `the connection to ${server} is lost: ${why}`, {
      server,
      cause: reason,
    });
  }
}

function streamOf(pending: Pending, name: StreamBackwards): IncomingStream {
  const stream = pending.incoming.get(name);
  if (!stream) throw new ProtocolViolation('a stream that was not asked for');
  return stream;
}

function named({ version, protocol }: Pick<Welcome, 'version' | 'protocol'>): string {
  return `${version.replace(/[^\w.+-]/g, '?')} (protocol ${protocol})`;
}
