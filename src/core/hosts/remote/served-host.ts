import { type Duplex, PassThrough, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { KedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import { withListener } from '../../streams';
import type { Host, SocketAddress } from '../host';
import { limitReached } from '../program-failure';
import { DEFAULT_CAPTURE_BYTES } from '../run';
import type { ByteChannel } from './byte-channel';
import { Connection } from './connection';
import { IncomingStream, OutgoingStream, type Taker } from './flow';
import { type Frame, ProtocolViolation } from './frames';
import {
  type FromMaster,
  type KindOfRequest,
  MAXIMUM_AT_ONCE,
  MAXIMUM_CONTENT_BYTES,
  MAXIMUM_LINE_CHARACTERS,
  MAXIMUM_REQUEST_BYTES,
  PROTOCOL,
  type Request,
  type RunRequest,
  type StreamBackwards,
  type StreamTowards,
  decodeFromMaster,
  decodeHello,
  fieldsSchema,
  kindOf,
} from './messages';
import { Slots } from './slots';
import { Collector, sendAll, takenBy } from './streams';
import { toWire } from './wire-error';

export interface ServedOptions {
  readonly version: string;
  /** This machine, by the name that its master has for it. */
  readonly makeHost: (name: string) => Host;
  /** How long what was started may take to end when the connection is over, ms. Default 4.5 s. */
  readonly endWithinMs?: number;
}

const END_WITHIN_MS = 4_500;

/** A request under way. */
interface Served {
  readonly controller: AbortController;
  readonly incoming: Map<StreamTowards, IncomingStream>;
  readonly outgoing: Map<string, OutgoingStream>;
  readonly kind: KindOfRequest;
  /** What its words had. */
  readonly bytes: number;
  /** Gives the lock back, once it is held. */
  unlock: () => void;
  /** When it has ended. */
  ended: Promise<void>;
}

/**
 * Does on this machine what the master at the other end of a channel asks for, until the channel is over; then ends all of it.
 * Resolves when it has ended, or is not going to: whoever serves it ends its process then, and with it goes each lock.
 */
export async function serveHost(channel: ByteChannel, options: ServedOptions): Promise<Error> {
  const server = new HostServer(channel, options);
  const reason = await server.closed;
  await server.endAll();
  return reason;
}

class HostServer {
  private readonly connection: Connection;
  private readonly served = new Map<number, Served>();
  /** What is held here as a whole, such as the content of a file, is one at a time: others wait, and what is sent for them waits with its sender. */
  private readonly wholes = new Slots(1);
  private host: Host | null = null;
  private greeted = false;
  private refused = false;
  private last = 0;

  constructor(
    channel: ByteChannel,
    private readonly options: ServedOptions,
  ) {
    this.connection = new Connection(channel, (frame) => this.receive(frame));
  }

  get closed(): Promise<Error> {
    return this.connection.closed;
  }

  /** Ends what runs, and only then lets go of locks: nothing goes on that a lock was for. */
  async endAll(): Promise<void> {
    const gone = this.connection.reason ?? new Error('the connection is over');
    const all = [...this.served.values()];
    for (const one of all) {
      one.controller.abort(gone);
      for (const stream of one.incoming.values()) stream.cut(gone);
      for (const stream of one.outgoing.values()) stream.drop();
    }
    const endings = async (): Promise<void> => {
      await Promise.all(all.filter(({ kind }) => kind !== 'lock').map(({ ended }) => ended));
      for (const { unlock } of all) unlock();
      await Promise.all(all.map(({ ended }) => ended));
    };
    await Promise.race([endings(), delay(this.options.endWithinMs ?? END_WITHIN_MS, undefined, { ref: false })]);
  }

  private receive({ header, headerBytes, piece }: Frame): void {
    if (this.refused) return;
    if (!this.greeted) {
      this.greet(header);
      return;
    }
    const message = decodeFromMaster(header);
    if (message.type === 'beat') return;
    if (message.type === 'begin') {
      if (this.host) throw new ProtocolViolation('a second beginning');
      this.host = this.options.makeHost(message.server);
      this.connection.keep(message.rhythm);
      return;
    }
    if (!this.host) throw new ProtocolViolation('a request before the beginning');
    if (message.type === 'request') {
      this.begin(this.host, message.id, message.request, headerBytes);
      return;
    }
    const served = this.served.get(message.id);
    if (served) this.hear(served, message, piece);
    // It may have ended while this was on its way.
    else if (message.id > this.last) throw new ProtocolViolation('words on what was not asked for');
  }

  private greet(header: unknown): void {
    const { protocol, version } = decodeHello(header);
    this.greeted = true;
    this.connection.send({
      type: 'welcome',
      protocol: PROTOCOL,
      version: this.options.version,
      uid: process.getuid?.() ?? 0,
    });
    this.refused = protocol !== PROTOCOL || version !== this.options.version;
    if (this.refused) void this.connection.finish(new Error('the master is of another version'));
  }

  private hear(
    served: Served,
    message: Exclude<FromMaster, { type: 'beat' | 'begin' | 'request' }>,
    piece: Buffer,
  ): void {
    switch (message.type) {
      case 'cancel':
        served.controller.abort(new Error('cancelled'));
        // Nobody takes what it still writes.
        for (const stream of served.outgoing.values()) stream.drop();
        break;
      case 'unlock':
        served.unlock();
        break;
      case 'piece':
        streamOf(served, message.stream).receive(piece);
        break;
      case 'end':
        streamOf(served, message.stream).end();
        break;
      case 'fail':
        streamOf(served, message.stream).fail(new Error('the input failed at the master'));
        break;
      case 'credit':
        served.outgoing.get(message.stream)?.grant(message.bytes);
        break;
    }
  }

  private begin(host: Host, id: number, request: Request, bytes: number): void {
    if (id <= this.last) throw new ProtocolViolation('a number that was used');
    this.last = id;
    const kind = kindOf(request.method);
    const open = [...this.served.values()];
    const held = open.reduce((sum, one) => sum + one.bytes, bytes);
    const alike = open.filter((one) => one.kind === kind).length;
    if (alike >= MAXIMUM_AT_ONCE[kind] || held > MAXIMUM_REQUEST_BYTES)
      throw new ProtocolViolation('too much at one time');
    const served: Served = {
      controller: new AbortController(),
      incoming: new Map(),
      outgoing: new Map(),
      kind,
      bytes,
      unlock: () => undefined,
      ended: Promise.resolve(),
    };
    this.served.set(id, served);
    served.ended = this.answer(new Answering(this.connection, id, served, this.wholes), host, request);
  }

  private async answer(answering: Answering, host: Host, request: Request): Promise<void> {
    try {
      answering.returned(await perform(host, request, answering));
    } catch (error) {
      answering.threw(error);
    } finally {
      this.served.delete(answering.id);
    }
  }
}

/** What one request says while it is under way; behind its answer nothing. */
class Answering {
  private over = false;

  constructor(
    private readonly connection: Connection,
    readonly id: number,
    private readonly served: Served,
    private readonly wholes: Slots,
  ) {}

  get signal(): AbortSignal {
    return this.served.controller.signal;
  }

  /** @throws ProtocolViolation for more than a header holds */
  returned(value: unknown): void {
    this.say({ type: 'returned', value });
    this.over = true;
  }

  threw(error: unknown): void {
    this.say({ type: 'threw', error: toWire(error) });
    this.over = true;
  }

  operation(mark: string): Operation {
    const log =
      (level: 'info' | 'warn') =>
      (message: string, fields?: Record<string, unknown>): void => {
        const told = fieldsSchema.safeParse(fields);
        this.say({
          type: 'log',
          level,
          message: message.slice(0, MAXIMUM_LINE_CHARACTERS),
          ...(told.success ? { fields: told.data } : {}),
        });
      };
    return {
      signal: this.signal,
      mark,
      progress: (progress) => this.say({ type: 'progress', progress }),
      log: { info: log('info'), warn: log('warn') },
    };
  }

  /** A stream to the master. */
  outgoing(stream: StreamBackwards): OutgoingStream {
    const outgoing = new OutgoingStream({
      piece: (piece) => {
        this.say({ type: 'piece', stream }, piece);
        return this.connection.ready();
      },
      end: () => this.say({ type: 'end', stream }),
      fail: (error) => this.say({ type: 'fail', stream, error: toWire(error) }),
    });
    this.served.outgoing.set(stream, outgoing);
    // It was cancelled, or the connection was lost, before it came so far.
    if (this.signal.aborted) outgoing.drop();
    return outgoing;
  }

  /** A stream from the master, as what a program reads. */
  input(): PassThrough {
    const input = new PassThrough();
    const incoming = this.incoming('input', takenBy(input));
    // Nobody reads it any more. What is on its way is passed over.
    input.on('close', () => {
      if (!incoming.isOver) this.say({ type: 'stop', stream: 'input' });
    });
    return withListener(input);
  }

  /** Tells that a connection was made, and has it take the stream from the master. */
  connected(socket: Duplex): void {
    this.incoming('input', takenBy(socket));
    this.say({ type: 'connected' });
  }

  /** Does `work` while nothing else is held as a whole for this connection. @throws the reason of the request's signal */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const giveBack = await this.wholes.take(this.signal);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  /** Does `work` with a stream from the master, as a whole. Nothing of it is taken before its turn. @throws why it is none */
  async content<T>(work: (content: Buffer) => Promise<T>): Promise<T> {
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const content = this.whole(begun);
    // It may fail before its turn.
    content.catch(() => undefined);
    return this.inTurn(async () => {
      begin();
      return work(await content);
    });
  }

  private whole(begun: Promise<void>): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true });
      const collector = new Collector(MAXIMUM_CONTENT_BYTES, () =>
        this.connection.close(new ProtocolViolation('more than a file may hold that is written as a whole')),
      );
      this.incoming('content', {
        piece: async (piece) => {
          await begun;
          if (!this.signal.aborted) collector.piece(piece);
        },
        end: () => resolve(collector.whole()),
        fail: reject,
        broke: (error) => {
          collector.broke(error);
          reject(error);
        },
      });
    });
  }

  /** Tells that the lock is held, and resolves when it is to be given back. */
  held(): Promise<void> {
    return new Promise((resolve) => {
      this.served.unlock = resolve;
      this.say({ type: 'locked' });
    });
  }

  private incoming(stream: StreamTowards, taker: Taker): IncomingStream {
    const incoming = new IncomingStream(taker, (bytes) => this.say({ type: 'credit', stream, bytes }));
    this.served.incoming.set(stream, incoming);
    return incoming;
  }

  private say(message: object, piece?: Buffer): void {
    if (!this.over) this.connection.send({ ...message, id: this.id }, piece);
  }
}

async function perform(host: Host, request: Request, answering: Answering): Promise<unknown> {
  switch (request.method) {
    case 'run':
      return runFor(host, request, answering);
    case 'limitMeans':
      return host.limitMeans();
    case 'endProcesses':
      return host.endProcesses(request.mark);
    case 'listMarks':
      return host.listMarks();
    case 'endSocketHolders':
      return host.endSocketHolders(new Set(request.sockets), request.uid);
    case 'connectTo':
      return connectFor(host, request.address, answering);
    case 'now':
      return host.now();
    case 'readFile':
    case 'readTrustedFile': {
      return answering.inTurn(async () => {
        const content = await host[request.method](request.path, request.maximumBytes);
        await sendAll(content, answering.outgoing('content'));
      });
    }
    case 'assertTrusted':
      return host.assertTrusted(request.path);
    case 'writeFile':
      return answering.content((content) => host.writeFile(request.path, content, request.attributes));
    case 'putVhostFile': {
      const { path, site, sha256 } = request;
      if (host.putVhostFile) return host.putVhostFile({ path, site, sha256 });
      throw new KedgeError('HostRefused', `no vhosts are rendered on ${host.name}`, { server: host.name });
    }
    case 'status':
      return host.status(request.path);
    case 'realPath':
      return host.realPath(request.path);
    case 'list':
      return answering.inTurn(() => host.list(request.path));
    case 'makeFolder':
      return host.makeFolder(request.path, request.attributes);
    case 'rename':
      return host.rename(request.from, request.to);
    case 'removeFile':
      return host.removeFile(request.path);
    case 'removeTree':
      return host.removeTree(request.path, answering.operation(request.mark));
    case 'withLock':
      return host.withLock(request.path, answering.operation(request.mark), () => answering.held());
    case 'freeSpace':
      return host.freeSpace(request.path);
    case 'mountsBelow':
      return host.mountsBelow(request.path);
    case 'lookUpOwner':
      return host.lookUpOwner(request.user);
  }
}

/** Output and result go as they come, also where the master keeps them: nothing of them is kept here. */
async function runFor(host: Host, request: RunRequest, answering: Answering): Promise<unknown> {
  const { mark, input, output, errorOutput, wantsResult, secret, owner, limits, ...rest } = request;
  const out = answering.outgoing('output');
  const error = errorOutput ? answering.outgoing('error') : null;
  const result = wantsResult ? answering.outgoing('result') : null;
  const mostBytes = limits?.captureBytes ?? DEFAULT_CAPTURE_BYTES;
  const tooMuch = (): Error =>
    limitReached({ argv: request.argv, ...(owner ? { owner } : {}) }, host.name, `wrote more than ${mostBytes} bytes`);
  const captured = { mostBytes, tooMuch };
  const running = host.run({
    ...rest,
    ...(owner === undefined ? {} : { owner }),
    ...(limits === undefined ? {} : { limits }),
    ...(secret === undefined ? {} : { secret }),
    ...(input ? { input: answering.input() } : {}),
    output: writing(out, output ? null : captured),
    ...(result ? { resultOutput: writing(result, captured) } : {}),
    ...(error ? { onErrorOutput: (chunk: Buffer) => error.write(chunk) } : {}),
    wantsResult,
    operation: answering.operation(mark),
  });
  // Behind all of it, also when it fails.
  const { exitCode, stderr } = await running.finally(() => error?.end());
  // What was done without a program has none.
  for (const stream of [out, result]) stream?.end();
  return { exitCode, stderr };
}

/** Carries a connection until both its directions have ended. @throws what it broke with */
async function connectFor(host: Host, address: SocketAddress, answering: Answering): Promise<void> {
  const socket = await host.connectTo(address, answering.signal);
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  const output = answering.outgoing('output');
  answering.connected(socket);
  // What it fails with is what the connection has broken with.
  await sendAll(socket, output).catch(() => socket.destroy());
  await closed;
  if (socket.errored) throw socket.errored;
}

/** What a program writes, on its way to the master; what was cut short is said to be. `bound`: how much of it the master keeps. */
function writing(
  stream: OutgoingStream,
  bound: { readonly mostBytes: number; readonly tooMuch: () => Error } | null,
): Writable {
  let bytes = 0;
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bound && bytes > bound.mostBytes) {
        done(bound.tooMuch());
        return;
      }
      stream.write(chunk).then(() => done(), done);
    },
    final(done) {
      stream.end();
      done();
    },
    destroy(error, done) {
      if (error) stream.fail(error);
      done(error);
    },
  });
}

/** @throws ProtocolViolation */
function streamOf(served: Served, name: StreamTowards): IncomingStream {
  const stream = served.incoming.get(name);
  if (!stream) throw new ProtocolViolation('a stream that was not announced');
  return stream;
}
