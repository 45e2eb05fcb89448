import { PassThrough, Writable } from 'node:stream';
import type { Completed, Host, Sandbox } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';

/**
 * What rsync starts in the place of a remote shell, in its own sandbox, which has no network. It writes the command that rsync wants to
 * be run at the far end, each word and the whole ended by a NUL, then carries bytes between rsync and the descriptors that its
 * parent left open. It ends when the far end does, else rsync would wait for ever.
 */
const TRANSPORT = `
printf '%s\\0' "$@" >&8
printf '\\0' >&8
exec 7<&0
cat <&7 >&8 &
cat <&9
kill $!
`;
/** Leaves standard input and output open to the transport, and to nobody else. */
const NEAR_END = 'exec 9<&0 8>&1 </dev/null >/dev/null; exec rsync "$@"';
const SHELL = `sh -c 'eval "$TRANSPORT"' transport`;

/** Exit codes of rsync that its words explain, or the other end's: 10 to 12 and 30 are a broken stream, 23 and 24 single files. */
const TOLD_OTHERWISE = [0, 10, 11, 12, 23, 24, 30];

/** rsync on the master, which asks for what is done, and rsync on another host. */
export interface RsyncEnds {
  readonly master: MasterHost;
  readonly host: Host;
  /** Of the program on the master. */
  readonly args: readonly string[];
  readonly near: Sandbox;
  readonly far: Sandbox;
  readonly onErrorOutput: (chunk: Buffer) => void;
}

/**
 * Runs rsync at both ends, with a stream between them that goes through this process alone. When one end fails the other is ended.
 * Returns how the one on the master ended; its exit code may tell of single files.
 * @throws KedgeError what ended either program from outside, ProgramMissing; the signal's reason
 */
export async function runRsync(
  { master, host, args, near, far, onErrorOutput }: RsyncEnds,
  operation: Operation,
): Promise<Completed> {
  const failed = new AbortController();
  const both = { ...operation, signal: AbortSignal.any([operation.signal, failed.signal]) };
  const orEnd = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      failed.abort(error);
      throw error;
    });
  const toFar = new ChannelAfterCommand();
  const toNear = new CountingChannel(operation);
  const environment = { LC_ALL: 'C' };
  const nearEnd = orEnd(
    master.run({
      // The transport writes as others do, and waits.
      argv: ['sh', '-c', NEAR_END, 'rsync', '--blocking-io', ...args],
      sandbox: near,
      environment: { ...environment, TRANSPORT, RSYNC_RSH: SHELL },
      input: toNear.reader,
      output: toFar,
      onErrorOutput,
      acceptExitCodes: TOLD_OTHERWISE,
      operation: both,
    }),
  );
  const farEnd = orEnd(
    toFar.command.then(async (command) => {
      if (command === null) return;
      await host.run({
        argv: ['rsync', ...command],
        sandbox: far,
        environment,
        input: toFar.reader,
        output: toNear,
        acceptExitCodes: TOLD_OTHERWISE,
        operation: both,
      });
    }),
  );
  const [ended] = await Promise.allSettled([nearEnd, farEnd]);
  operation.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  if (ended.status === 'rejected') throw ended.reason;
  return ended.value;
}

/** More than any command of rsync is long. */
const MAXIMUM_COMMAND_BYTES = 64 * 1024;
const END_OF_COMMAND = '\0\0';

/** What one program writes, for another to read. When that one has ended, what still comes is for nobody. */
class Channel extends Writable {
  readonly reader = new PassThrough();

  constructor() {
    super();
    // Who writes, and who reads, are told of it by their programs.
    for (const stream of [this, this.reader]) stream.on('error', () => undefined);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.reader.destroyed || this.reader.write(chunk)) return done();
    const goOn = (): void => {
      this.reader.off('drain', goOn).off('close', goOn);
      done();
    };
    this.reader.on('drain', goOn).on('close', goOn);
  }

  override _final(done: () => void): void {
    this.reader.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.writableFinished) this.reader.destroy(error ?? undefined);
    done(error);
  }
}

/** Tells the progress by what has come. */
class CountingChannel extends Channel {
  private bytes = 0;

  constructor(private readonly operation: Operation) {
    super();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytes += chunk.length;
    this.operation.progress({ bytes: this.bytes });
    super._write(chunk, encoding, done);
  }
}

/** Takes the command at the beginning off; what follows goes on. */
class ChannelAfterCommand extends Channel {
  /** Arguments of the program at the far end; null when all ended before they came. */
  readonly command: Promise<readonly string[] | null>;
  private readonly tell: (command: readonly string[] | null) => void;
  private held: Buffer | null = Buffer.alloc(0);

  constructor() {
    super();
    let tell: (command: readonly string[] | null) => void = () => undefined;
    this.command = new Promise((resolve) => {
      tell = resolve;
    });
    this.tell = tell;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.held === null) return super._write(chunk, encoding, done);
    this.held = Buffer.concat([this.held, chunk]);
    const end = this.held.indexOf(END_OF_COMMAND);
    if (end === -1)
      return done(this.held.length > MAXIMUM_COMMAND_BYTES ? new Error('rsync asked for too much') : null);
    // The host that rsync thinks it reaches, and the name of the program there.
    const [, , ...args] = this.held.subarray(0, end).toString('latin1').split('\0');
    const rest = this.held.subarray(end + END_OF_COMMAND.length);
    this.held = null;
    this.tell(args);
    super._write(rest, encoding, done);
  }

  override _final(done: () => void): void {
    this.tell(null);
    super._final(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.tell(null);
    super._destroy(error, done);
  }
}
