import { PassThrough, type Readable, Writable } from 'node:stream';
import type { Completed, Host, Sandbox } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { breakOff, withListener } from '../streams';

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
  /** Shown the standard error of each end as it comes. */
  readonly onErrorOutput: { readonly near: (chunk: Buffer) => void; readonly far: (chunk: Buffer) => void };
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
  const toFar = channelAfterCommand();
  const toNear = countingChannel(operation);
  const orEnd = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      failed.abort(error);
      // A program that never began has ended none of its streams.
      for (const { writer, reader } of [toFar, toNear]) for (const stream of [writer, reader]) stream.destroy();
      throw error;
    });
  const environment = { LC_ALL: 'C' };
  const nearEnd = orEnd(
    master.run({
      // The transport writes as others do, and waits.
      argv: ['sh', '-c', NEAR_END, 'rsync', '--blocking-io', ...args],
      sandbox: near,
      environment: { ...environment, TRANSPORT, RSYNC_RSH: SHELL },
      input: toNear.reader,
      output: toFar.writer,
      onErrorOutput: onErrorOutput.near,
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
        output: toNear.writer,
        onErrorOutput: onErrorOutput.far,
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

/** What one program writes, for another to read. When that one has ended, what still comes is for nobody. */
interface Channel {
  readonly writer: Writable;
  readonly reader: Readable;
}

/** `pass` makes of each piece what is read of it; `over` is called at the end, whichever. */
function channel(pass: (piece: Buffer) => Buffer, over: () => void = () => undefined): Channel {
  const reader = new PassThrough();
  const writer = new Writable({
    write(chunk: Buffer, _encoding, done) {
      let piece: Buffer;
      try {
        piece = pass(chunk);
      } catch (error) {
        return done(error as Error);
      }
      if (piece.length === 0 || reader.destroyed || reader.write(piece)) return done();
      const goOn = (): void => {
        reader.off('drain', goOn).off('close', goOn);
        done();
      };
      reader.on('drain', goOn).on('close', goOn);
    },
    final(done) {
      over();
      reader.end();
      done();
    },
    destroy(error, done) {
      over();
      if (!writer.writableFinished) breakOff(reader, error);
      done(error);
    },
  });
  // Who writes, and who reads, are told of it by their programs.
  for (const stream of [writer, reader]) withListener(stream);
  return { writer, reader };
}

/** Tells the progress by what has come. */
function countingChannel(operation: Operation): Channel {
  let bytes = 0;
  return channel((piece) => {
    bytes += piece.length;
    operation.progress({ bytes });
    return piece;
  });
}

/** More than any command of rsync is long. */
const MAXIMUM_COMMAND_BYTES = 64 * 1024;
const END_OF_COMMAND = '\0\0';
const NOTHING = Buffer.alloc(0);

/**
 * Takes the command at the beginning off; what follows goes on. `command` are the arguments of the program at the far end; null when
 * all ended before they came.
 */
function channelAfterCommand(): Channel & { readonly command: Promise<readonly string[] | null> } {
  let held: Buffer | null = NOTHING;
  let tell: (command: readonly string[] | null) => void = () => undefined;
  const command = new Promise<readonly string[] | null>((resolve) => {
    tell = resolve;
  });
  const pass = (piece: Buffer): Buffer => {
    if (held === null) return piece;
    held = Buffer.concat([held, piece]);
    const end = held.indexOf(END_OF_COMMAND);
    if (end === -1) {
      if (held.length > MAXIMUM_COMMAND_BYTES) throw new Error('rsync asks for a command that has no end');
      return NOTHING;
    }
    // The host that rsync thinks it reaches, and the name of the program there.
    const [, , ...args] = held.subarray(0, end).toString('latin1').split('\0');
    const rest = held.subarray(end + END_OF_COMMAND.length);
    held = null;
    tell(args);
    return rest;
  };
  return { ...channel(pass, () => tell(null)), command };
}
