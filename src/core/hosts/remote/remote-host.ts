import { AsyncLocalStorage } from 'node:async_hooks';
import { type Duplex, Readable } from 'node:stream';
import type { Owner } from '../../../contract/target';
import { KedgeError, isKedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import { breakOff, withListener } from '../../streams';
import { diskFullOr } from '../disk-full';
import type {
  Bind,
  Command,
  Completed,
  FileAttributes,
  FileStatus,
  FreeSpace,
  Host,
  HostAccount,
  LimitMeans,
  SocketAddress,
  VhostFileRequest,
} from '../host';
import type { ByteChannel } from './byte-channel';
import type { Taker } from './flow';
import {
  DEFAULT_RHYTHM,
  MAXIMUM_CONTENT_BYTES,
  type Method,
  type Returned,
  type Rhythm,
  type StreamBackwards,
} from './messages';
import { RemoteSocket } from './remote-socket';
import { type Call, Session } from './session';
import { Collector, Delivery, sendAll } from './streams';

export interface RemoteHostOptions {
  /** Its name in the configuration. */
  readonly name: string;
  /** The name of the machine that this process runs on: streams that a program is given or gives are there. */
  readonly master: string;
  /** The version of this Kedge: that of the program there has to be the same. */
  readonly version: string;
  /** The command that puts the program of this version there, for a person to run. */
  readonly installCommand: string;
  /** Makes a channel to the program there. One try. @throws KedgeError */
  readonly openChannel: () => Promise<ByteChannel>;
  /** Default: a word every 10 s, and the other end is taken to be gone after 30 s without one. */
  readonly rhythm?: Rhythm;
  /** How long the program may take to answer the first word, ms. Default 20 s. */
  readonly answerWithinMs?: number;
  /** How long what was cancelled may take to end, ms; then the connection is cut. Default 30 s. */
  readonly endWithinMs?: number;
}

const ANSWER_WITHIN_MS = 20_000;
const END_WITHIN_MS = 30_000;
const DEFAULT_MAXIMUM_BYTES = 1024 ** 2;
/** In UTF-8 a byte that is no text becomes three. */
const BYTES_OF_TEXT = 3;

/**
 * Another machine as a host: the program `kedge-host` there does the same as this one would, and is spoken to over one connection,
 * which is made when it is needed and made anew by whoever comes after it was lost. Nothing is tried twice here.
 *
 * When the connection is lost, whatever was under way fails as HostUnreachable: it may have been done or not, and what runs there is
 * ended by the program there, within five seconds of noticing. Who comes next asks, or revokes: marks are found whoever's they were.
 */
export class RemoteHost implements Host {
  private session: Promise<Session> | null = null;
  private known: { readonly uid: number } | null = null;
  /** The connection that a lock belongs to, for the work that is done under it. */
  private readonly leases = new AsyncLocalStorage<Session>();

  constructor(private readonly options: RemoteHostOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Connects for it once: it stays the same, see `openSession`. */
  async account(): Promise<HostAccount> {
    const { uid } = this.known ?? (await this.connected());
    return { uid, privileged: uid === 0 };
  }

  /** Makes the connection, where there is none. @throws KedgeError HostUnreachable, HostProgramUnfit; what opening a channel throws */
  async connect(): Promise<void> {
    await this.connected();
  }

  /** Ends the connection, and with it all that runs there. A later call makes a new one. */
  async close(): Promise<void> {
    const session = await this.session?.catch(() => null);
    this.session = null;
    session?.close();
    await session?.ended;
  }

  async run(command: Command): Promise<Completed> {
    const { operation, limits } = command;
    const capture = (limits?.captureBytes ?? DEFAULT_MAXIMUM_BYTES) * BYTES_OF_TEXT;
    // What fails here ends the program there.
    const stop = new AbortController();
    const signal = AbortSignal.any([operation.signal, stop.signal]);
    let failure: unknown = null;
    const fail = (error: unknown): void => {
      failure ??= error;
      stop.abort(error);
    };
    const delivery: Delivery | undefined =
      command.output && new Delivery(command.output, () => fail(delivery?.failure));
    const captured = new Collector(capture, () => fail(this.tooMuch(capture)));
    const result = new Collector(capture, () => fail(this.tooMuch(capture)));
    const resultDelivery: Delivery | undefined =
      command.resultOutput && new Delivery(command.resultOutput, () => fail(resultDelivery?.failure));
    const source = sourceOf(command.input);
    const takers: Partial<Record<StreamBackwards, Taker>> = {
      output: delivery ?? captured,
      ...(command.onErrorOutput ? { error: shown(command.onErrorOutput) } : {}),
      ...(command.wantsResult ? { result: resultDelivery ?? result } : {}),
    };
    try {
      const returned = await this.call({
        request: {
          method: 'run',
          mark: operation.mark,
          argv: [...command.argv],
          sandbox: command.sandbox && {
            ...command.sandbox,
            readOnly: asAsked(command.sandbox.readOnly),
            writable: asAsked(command.sandbox.writable),
            capabilities: command.sandbox.capabilities && [...command.sandbox.capabilities],
          },
          owner: command.owner,
          environment: command.environment,
          input: source !== null,
          output: delivery !== undefined,
          errorOutput: command.onErrorOutput !== undefined,
          secret: command.secret,
          wantsResult: command.wantsResult ?? false,
          limits: command.limits,
          acceptExitCodes: command.acceptExitCodes && [...command.acceptExitCodes],
        },
        operation,
        signal,
        takers,
        onSent(stream) {
          if (source === null) return;
          sendAll(
            source,
            stream('input', () => source.destroy()),
          ).catch(fail);
        },
      });
      operation.signal.throwIfAborted();
      if (failure !== null) throw failure;
      if (delivery?.failure) throw delivery.failure;
      if (resultDelivery?.failure) throw resultDelivery.failure;
      const { exitCode, stderr } = returned;
      return {
        exitCode,
        stdout: delivery ? '' : captured.whole().toString('utf8'),
        stderr,
        result: command.wantsResult && !resultDelivery ? result.whole() : Buffer.alloc(0),
      };
    } catch (error) {
      operation.signal.throwIfAborted();
      throw failure === null ? error : diskFullOr(failure, this.options.master);
    } finally {
      source?.destroy();
    }
  }

  limitMeans(): Promise<LimitMeans> {
    return this.call({ request: { method: 'limitMeans' } });
  }

  endProcesses(mark: string): Promise<number> {
    return this.call({ request: { method: 'endProcesses', mark } });
  }

  listMarks(): Promise<string[]> {
    return this.call({ request: { method: 'listMarks' } });
  }

  endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number> {
    return this.call({ request: { method: 'endSocketHolders', sockets: [...sockets], uid } });
  }

  async connectTo(address: SocketAddress, signal: AbortSignal): Promise<Duplex> {
    const cut = new AbortController();
    const socket = new RemoteSocket(() => cut.abort(new Error('nobody wants it any more')));
    const onAbort = (): void => breakOff(socket, signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        const carried = this.call({
          request: { method: 'connectTo', address },
          signal: AbortSignal.any([signal, cut.signal]),
          takers: { output: socket.taker },
          onSent: (stream) => socket.sendBy(stream('input', () => undefined)),
          onConnected: resolve,
        }).finally(() => signal.removeEventListener('abort', onAbort));
        socket.lastsAs(carried);
        carried.then(() => reject(this.neverConnected()), reject);
      });
      return socket;
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      throw isKedgeError(error) ? error : Object.assign(error as Error, { server: this.name });
    }
  }

  now(): Promise<number> {
    return this.call({ request: { method: 'now' } });
  }

  readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return this.read('readFile', path, maximumBytes);
  }

  readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return this.read('readTrustedFile', path, maximumBytes);
  }

  async assertTrusted(path: string): Promise<void> {
    await this.call({ request: { method: 'assertTrusted', path } });
  }

  async writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    const bytes = Buffer.from(content);
    if (bytes.length > MAXIMUM_CONTENT_BYTES)
      throw new KedgeError('Internal', `${bytes.length} bytes are too many to be written to ${path} as a whole`, {
        server: this.name,
      });
    await this.call({
      request: { method: 'writeFile', path, attributes },
      onSent: (stream) =>
        void sendAll(
          bytes,
          stream('content', () => undefined),
        ),
    });
  }

  /** No text goes there: neither that of the file, nor that of a template. */
  async putVhostFile({ path, site, sha256 }: VhostFileRequest): Promise<void> {
    const { uri, aliases, kind, root, linkedRoot, settings, phpSocket, tls, redirects, vhostInclude } = site;
    const vhostTemplate = site.vhostTemplate && { path: site.vhostTemplate.path };
    const values = { uri, aliases, kind, root, linkedRoot, settings, phpSocket, tls, redirects, vhostInclude };
    await this.call({ request: { method: 'putVhostFile', path, site: { ...values, vhostTemplate }, sha256 } });
  }

  status(path: string): Promise<FileStatus | undefined> {
    return this.call({ request: { method: 'status', path } });
  }

  realPath(path: string): Promise<string | null> {
    return this.call({ request: { method: 'realPath', path } });
  }

  list(path: string): Promise<string[]> {
    return this.call({ request: { method: 'list', path } });
  }

  async makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    await this.call({ request: { method: 'makeFolder', path, attributes } });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.call({ request: { method: 'rename', from, to } });
  }

  async removeFile(path: string): Promise<void> {
    await this.call({ request: { method: 'removeFile', path } });
  }

  async removeTree(path: string, operation: Operation): Promise<void> {
    const { mark, signal } = operation;
    await this.call({ request: { method: 'removeTree', path, mark }, operation, signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
    signal.throwIfAborted();
  }

  /**
   * The lock belongs to the connection: the program there holds it, and the kernel takes it from that program when it dies, not before
   * it has ended what it was asked for. What `work` asks of this host goes by that connection alone, and fails when it is lost: nothing is
   * done there behind a lock that is gone. @throws HostUnreachable when it was lost before `work` ended
   */
  async withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    const { mark, signal } = operation;
    const session = await this.connected(signal);
    const worked: Promise<T>[] = [];
    const outcome = await session
      .call({
        request: { method: 'withLock', path, mark },
        operation,
        signal,
        onLocked: (unlock) => {
          const mine = signal.aborted ? Promise.reject(signal.reason as Error) : this.leases.run(session, work);
          worked.push(mine);
          mine.then(unlock, unlock);
        },
      })
      .then(
        () => null,
        (error: unknown) => ({ error }),
      );
    // Also when the lock is lost nobody goes on while its work may.
    const [done] = await Promise.all(worked);
    if (outcome === null && worked.length === 1) return done as T;
    signal.throwIfAborted();
    throw (
      outcome?.error ??
      new KedgeError('HostProgramUnfit', `${this.name} never gave the lock ${path}`, { server: this.name })
    );
  }

  freeSpace(path: string): Promise<FreeSpace> {
    return this.call({ request: { method: 'freeSpace', path } });
  }

  async mountsBelow(path: string): Promise<string[]> {
    const found = await this.call({ request: { method: 'mountsBelow', path } });
    const prefix = path.endsWith('/') ? path : `${path}/`;
    return found.filter((point) => point === path || point.startsWith(prefix));
  }

  lookUpOwner(user: string): Promise<Owner> {
    return this.call({ request: { method: 'lookUpOwner', user } });
  }

  private async read(method: 'readFile' | 'readTrustedFile', path: string, maximumBytes?: number): Promise<Buffer> {
    const maximum = maximumBytes ?? DEFAULT_MAXIMUM_BYTES;
    const stop = new AbortController();
    const content = new Collector(maximum, () => stop.abort(this.tooMuch(maximum)));
    await this.call({ request: { method, path, maximumBytes }, takers: { content }, signal: stop.signal });
    stop.signal.throwIfAborted();
    return content.whole();
  }

  private async call<M extends Method>(call: Call<M>): Promise<Returned<M>> {
    const session = await this.connected(call.signal);
    return session.call(call);
  }

  /** The connection there is, or a new one. Who is cancelled does not wait for it; others may. */
  private connected(signal?: AbortSignal): Promise<Session> {
    const leased = this.leases.getStore();
    return leased ? Promise.resolve(leased) : abortable((this.session ??= this.open()), signal);
  }

  private open(): Promise<Session> {
    const opening = this.openSession();
    const forget = (): void => {
      if (this.session === opening) this.session = null;
    };
    opening.then((session) => session.closed.then(forget), forget);
    return opening;
  }

  private async openSession(): Promise<Session> {
    const { name, version, installCommand, openChannel } = this.options;
    const session = await Session.open(await openChannel(), {
      server: name,
      version,
      installCommand,
      rhythm: this.options.rhythm ?? DEFAULT_RHYTHM,
      answerWithinMs: this.options.answerWithinMs ?? ANSWER_WITHIN_MS,
      endWithinMs: this.options.endWithinMs ?? END_WITHIN_MS,
    });
    const { uid } = session;
    if (this.known && this.known.uid !== uid) {
      session.close();
      throw new KedgeError(
        'OwnerRefused',
        `kedge-host on ${name} runs as uid ${uid}, and ran as uid ${this.known.uid} before`,
        {
          server: name,
          hint: 'Start the worker again if that was meant.',
        },
      );
    }
    this.known = { uid };
    return session;
  }

  private neverConnected(): KedgeError {
    return new KedgeError('HostProgramUnfit', `kedge-host on ${this.name} never said that it was connected`, {
      server: this.name,
    });
  }

  private tooMuch(bytes: number): KedgeError {
    return new KedgeError(
      'HostProgramUnfit',
      `kedge-host on ${this.name} sent more than ${bytes} bytes, which were the most`,
      {
        server: this.name,
      },
    );
  }
}

/** Who asks may know more of a folder than where it is and where it is shown. */
function asAsked(binds: readonly Bind[] | undefined): Bind[] | undefined {
  return binds?.map(({ from, to }) => ({ from, to }));
}

function sourceOf(input: Command['input']): Readable | null {
  if (input === undefined) return null;
  const source = input instanceof Readable ? input : Readable.from([input]);
  // Who reads it is told; it may also fail when nobody does any more.
  return withListener(source);
}

function shown(onErrorOutput: NonNullable<Command['onErrorOutput']>): Taker {
  return { piece: onErrorOutput, end: () => undefined, fail: () => undefined, broke: () => undefined };
}

async function abortable<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  if (!signal) return work;
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => (onAbort = () => reject(signal.reason as Error)));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
