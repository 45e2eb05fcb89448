import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, access } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { delimiter, join } from 'node:path';
import { type Duplex, Readable, type Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { KedgeError } from '../../contract/errors';
import { breakOff, withListener } from '../streams';
import { listenToStreams } from './command-streams';
import { type ControlGroup, DEFAULT_GROUP_LIMITS } from './control-groups';
import { diskFullOr } from './disk-full';
import { type Command, type Completed, RESULT_DESCRIPTOR, type Sandbox } from './host';
import type { MasterCommand } from './master-host';
import type { Limiter } from './limiter';
import { openPath } from './open-path';
import { piecePassed } from './passed-pieces';
import { MARK_VARIABLE, type RunningProcess, endGroup, endMarkedProcesses, identify, waitUntilGone } from './processes';
import { exitCodeOf, limitReached, programFailure, signalFailure } from './program-failure';
import { INFO_DESCRIPTOR, bindsOf, confine } from './sandbox';
import { secretFile } from './secret-file';

export interface RunContext {
  readonly server: string;
  /** The account of this process. */
  readonly uid: number;
  readonly limiter: () => Promise<Limiter>;
  /** Default: what is shown is opened by {@link openPath}, and no system call is refused. */
  readonly guard?: RunGuard;
}

/** What a confined program is held to beside its sandbox. */
export interface RunGuard {
  /** Opens a folder or file that the sandbox shows. The handle is closed when the program has ended. @throws KedgeError */
  readonly open: (path: string) => Promise<FileHandle>;
  /** A filter of system calls, as bubblewrap takes it; null for none. */
  readonly systemCalls: Buffer | null;
}

/** What of an output is captured where no limit is given. */
export const DEFAULT_CAPTURE_BYTES = 1024 * 1024;
const MESSAGE_BYTES = 8 * 1024;
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A program under way. */
interface Running {
  readonly child: ChildProcess;
  readonly command: MasterCommand;
  /** Of its own, so that what is left of this program is found, and not that of others of the operation. */
  readonly mark: string;
  readonly server: string;
  /** What counts its memory and processes; null where the host has no such thing, and for unconfined programs. */
  readonly group: ControlGroup | null;
}

/** `Host.run` on this machine; its contract is there. */
export async function run(
  command: MasterCommand,
  { server, uid, limiter: limiterOf, guard = plainGuard(server) }: RunContext,
): Promise<Completed> {
  const { signal } = command.operation;
  const privileged = uid === 0;
  listenToStreams(command);
  signal.throwIfAborted();
  assertOwner(command, uid, server);
  await assertInstalled(command, server);
  const limiter = await limiterOf();
  const mark = `${command.operation.mark}/${randomBytes(8).toString('hex')}`;
  const opened: FileHandle[] = [];
  // Made while the rest is opened.
  const grouped = command.sandbox ? groupFor(command, mark, limiter, server) : Promise.resolve(null);
  grouped.catch(() => undefined);
  try {
    const secret = command.secret === undefined ? null : await secretFile(command.secret, command.owner);
    if (secret) opened.push(secret);
    const sources = command.sandbox ? await openSources(command.sandbox, guard, opened) : [];
    const filter = command.sandbox && guard.systemCalls ? await secretFile(guard.systemCalls, undefined) : null;
    if (filter) opened.push(filter);
    const group = await grouped;
    const waits = group !== null;
    const [program, ...args] = command.sandbox
      ? confine(command, command.sandbox, { privileged, means: limiter.means, waits, filters: filter !== null })
      : [...command.argv];
    // Between this look and the listener that supervises, nothing is awaited.
    signal.throwIfAborted();
    const child = spawn(program ?? '', args, {
      stdio: [
        command.inputFile?.fd ?? 'pipe',
        command.outputFile?.fd ?? 'pipe',
        'pipe',
        secret?.fd ?? 'ignore',
        command.wantsResult ? 'pipe' : 'ignore',
        ...(command.sandbox ? (['pipe'] as const) : []),
        ...sources,
        ...(filter ? [filter.fd] : []),
        ...(waits ? (['pipe'] as const) : []),
      ],
      env: {
        PATH: PROGRAM_PATH,
        LC_ALL: 'C.UTF-8',
        ...(command.sandbox ? {} : command.environment),
        [MARK_VARIABLE]: mark,
      },
      // An unconfined program is ended with its group; a confined one with its namespace.
      detached: command.sandbox === undefined,
    });
    return await supervise({ child, command, mark, server, group });
  } finally {
    await Promise.all(opened.map((handle) => handle.close()));
    // Nobody waits for the kernel to let go of it; what is left when this process ends is removed by the next.
    void grouped.then((group) => group?.remove()).catch(() => undefined);
  }
}

function plainGuard(server: string): RunGuard {
  return { open: (path) => openPath(path, server), systemCalls: null };
}

async function groupFor(command: Command, mark: string, { groups }: Limiter, server: string) {
  if (!groups) return null;
  const { memoryBytes, processes } = { ...DEFAULT_GROUP_LIMITS, ...command.limits };
  // Bubblewrap's own first process is counted too.
  return groups.make(mark, { memoryBytes, processes: processes + 1 }).catch((error: unknown) => {
    throw cannotLimit(command, server, error);
  });
}

function cannotLimit(command: Command, server: string, cause: unknown): KedgeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new KedgeError('SandboxUnavailable', `${command.argv[0]} cannot be limited on ${server}: ${why}`, {
    server,
    cause,
  });
}

/** Descriptors of what the sandbox shows. Each handle is added to `opened` at once. */
async function openSources(sandbox: Sandbox, guard: RunGuard, opened: FileHandle[]): Promise<number[]> {
  const sources: number[] = [];
  for (const { from } of bindsOf(sandbox)) {
    const handle = await guard.open(from);
    opened.push(handle);
    sources.push(handle.fd);
  }
  return sources;
}

async function supervise(running: Running): Promise<Completed> {
  const { child, command, mark, server, group } = running;
  const { signal } = command.operation;
  const name = command.argv[0];
  const capture = command.limits?.captureBytes ?? DEFAULT_CAPTURE_BYTES;
  let ended: Error | null = null;
  let swept: Promise<unknown> = Promise.resolve();
  let unswept: unknown = null;
  let first: RunningProcess | null = null;
  const end = (reason: Error): void => {
    if (ended) return;
    ended = reason;
    swept = endAll(running, first).catch((error: unknown) => void (unswept ??= error));
  };
  const firstProcess = firstOfNamespace(child).then(async (process) => {
    first = process;
    if (group) await start(running, first).catch((error: unknown) => end(cannotLimit(command, server, error)));
    return first;
  });
  const onAbort = (): void => end(new Error('cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  const timeoutMs = command.limits?.timeoutMs;
  const tooLong = (): void =>
    end(
      command.owner
        ? limitReached(command, server, `did not end within ${(timeoutMs ?? 0) / 1000} s`)
        : new KedgeError('ProgramTimedOut', `${name} did not end within ${timeoutMs} ms on ${server}`, { server }),
    );
  const timer = timeoutMs === undefined ? undefined : setTimeout(tooLong, timeoutMs);
  const tooMuch = (): void => end(limitReached(command, server, `wrote more than ${capture} bytes`));

  try {
    const exit = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      // What it left in its group would keep the pipes open. A daemon has a group of its own. So would a sandbox that was
      // not complete when somebody ended bubblewrap.
      child.once('exit', (_, killedBy) => {
        const sweep = command.sandbox ? killedBy && endMarkedProcesses(mark, server) : endGroup(child.pid ?? 0, server);
        swept = Promise.all([swept, sweep || null]).catch((error: unknown) => void (unswept ??= error));
      });
      child.once('close', (code, killedBy) => resolve(exitCodeOf(code, killedBy)));
    });
    // Why it was ended, where it did not end by itself nor by us.
    const cutShort = exit.then(
      async (code) => (ended ? null : signalFailure(command, code, (await reached(group, code)) ?? null, server)),
      () => null,
    );
    const streams = Promise.all([
      feed(child.stdin, command.input, end),
      command.output ? deliver(child.stdout, command.output, cutShort, end) : collect(child.stdout, capture, tooMuch),
      collectTail(child.stderr, MESSAGE_BYTES, command.onErrorOutput),
      command.resultOutput
        ? deliver(bounded(resultOf(running), capture, tooMuch), command.resultOutput, cutShort, end)
        : collect(resultOf(running), capture, tooMuch),
    ]);
    // Both are awaited, whichever fails first: nothing of the program lives on when this returns.
    const [exited, streamed] = await Promise.allSettled([exit, streams]);
    const cut = await cutShort;
    await swept;
    if (unswept !== null) throw unswept;
    // Bubblewrap tells the exit code before the namespace is empty.
    const last = await firstProcess;
    if (last) await waitUntilGone(last, server);
    if (signal.aborted) throw signal.reason;
    if (cut) throw cut;
    if (ended) throw diskFullOr(ended, server);
    if (exited.status === 'rejected') throw spawnFailure(exited.reason, command, server);
    if (streamed.status === 'rejected') throw diskFullOr(streamed.reason, server);
    const [, stdout, stderr, result] = streamed.value;
    const completed = {
      exitCode: exited.value,
      stdout: stdout.toString('utf8'),
      stderr: stderr.toString('utf8'),
      result,
    };
    const failure = programFailure(command, completed, await reached(group, completed.exitCode), server);
    if (failure) throw failure;
    return completed;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function reached(group: ControlGroup | null, exitCode: number) {
  return group && exitCode !== 0 ? group.reachedLimit() : null;
}

/** Lets the program begin once all that it will be is counted. */
async function start({ child, group }: Running, first: RunningProcess | null): Promise<void> {
  const waiting = child.stdio.at(-1) as Duplex;
  withListener(waiting).resume();
  try {
    if (first) await group?.add(first.pid);
    waiting.end('1');
  } catch (error) {
    waiting.destroy();
    throw error;
  }
}

/**
 * Ends a program and all that came of it. The end of bubblewrap closes standard input, which who reads it would take for
 * the end of the input: so the namespace ends first, by its first process, as soon as that is known.
 */
async function endAll({ child, command, mark, server }: Running, first: RunningProcess | null): Promise<void> {
  try {
    kill(first?.pid ?? child.pid, command.sandbox === undefined);
    if (first) await waitUntilGone(first, server);
  } finally {
    // A group does not hold who left it, and a sandbox still being built outlives bubblewrap: both keep the pipes open.
    await endMarkedProcesses(mark, server);
  }
}

function spawnFailure(error: unknown, command: Command, server: string): unknown {
  const program = command.sandbox ? 'bwrap' : command.argv[0];
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return missing(program, server);
  return error;
}

function missing(program: string, server: string): KedgeError {
  const code = program === 'bwrap' ? 'SandboxUnavailable' : 'ProgramMissing';
  return new KedgeError(code, `${program} is not installed on ${server}`, {
    server,
    hint:
      program === 'bwrap'
        ? 'Install the package bubblewrap.'
        : `Install the program ${program}; \`kedge doctor\` names its package.`,
  });
}

async function assertInstalled(command: Command, server: string): Promise<void> {
  const programs = command.sandbox ? ['bwrap', command.argv[0]] : [command.argv[0]];
  for (const program of programs) {
    const candidates = program.includes('/')
      ? [program]
      : PROGRAM_PATH.split(delimiter).map((folder) => join(folder, program));
    const found = await Promise.all(
      candidates.map((path) =>
        access(path, constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (!found.includes(true)) throw missing(program, server);
  }
}

function assertOwner(command: Command, uid: number, server: string): void {
  if (!command.owner) return;
  if (!command.sandbox)
    throw new KedgeError('Internal', `${command.argv[0]} is to run as ${command.owner.user} without a sandbox`);
  if (uid !== 0 && command.owner.uid !== uid) {
    throw new KedgeError('OwnerRefused', `the worker cannot act as ${command.owner.user} on ${server}`, {
      server,
      hint: 'Run the worker as root, or as the account that owns the sites.',
    });
  }
}

/** When the input fails, the program is ended before its standard input is: it must not take a part for the whole. */
async function feed(stdin: Writable | null, input: Command['input'], end: (reason: Error) => void): Promise<void> {
  if (!stdin) return;
  const source = input === undefined ? Readable.from([]) : input instanceof Readable ? input : Readable.from([input]);
  let closed = false;
  let wake = (): void => undefined;
  // A program that ends without reading all it was given says by its exit code whether that was right.
  withListener(stdin);
  stdin.on('drain', () => wake());
  stdin.on('close', () => {
    closed = true;
    source.destroy();
    wake();
  });
  try {
    for await (const chunk of source as AsyncIterable<Buffer | string>) {
      if (closed) return;
      piecePassed(chunk.length);
      if (!stdin.write(chunk)) await new Promise<void>((resolve) => (wake = resolve));
    }
    stdin.end();
  } catch (error) {
    if (closed) return;
    end(error as Error);
    throw error;
  }
}

function resultOf({ child, command }: Running): Readable | null {
  return command.wantsResult ? readableOf(child.stdio[RESULT_DESCRIPTOR]) : null;
}

/** The same stream, of which more than so much is told. */
function bounded(stream: Readable | null, limit: number, onTooMuch: () => void): Readable | null {
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limit) onTooMuch();
  });
  return stream;
}

/**
 * The output ends when the program has: what was cut short by somebody is never given for the whole, but destroyed with the
 * reason.
 */
async function deliver(
  stdout: Readable | null,
  output: Writable,
  cutShort: Promise<KedgeError | null>,
  end: (reason: Error) => void,
): Promise<Buffer> {
  if (!stdout) return Buffer.alloc(0);
  try {
    const delivered = pipeline(stdout, output, { end: false });
    stdout.on('data', (chunk: Buffer) => piecePassed(chunk.length));
    await delivered;
    const cut = await cutShort;
    if (cut) {
      breakOff(output, cut);
      await finished(output).catch(() => undefined);
      return Buffer.alloc(0);
    }
    output.end();
    await finished(output, { readable: false });
  } catch (error) {
    end(error as Error);
  }
  return Buffer.alloc(0);
}

async function collect(stream: Readable | null, limit: number, onTooMuch: () => void): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(stream)) {
    bytes += chunk.length;
    if (bytes <= limit) chunks.push(chunk);
    else onTooMuch();
  }
  return Buffer.concat(chunks);
}

/** The end of what a program says tells why it failed. */
async function collectTail(
  stream: Readable | null,
  bytes: number,
  onChunk?: Command['onErrorOutput'],
): Promise<Buffer> {
  let tail = Buffer.alloc(0);
  for await (const chunk of chunksOf(stream)) {
    await onChunk?.(chunk);
    tail = Buffer.concat([tail, chunk]).subarray(-bytes);
  }
  return tail;
}

async function* chunksOf(stream: Readable | null): AsyncGenerator<Buffer> {
  if (!stream) return;
  for await (const chunk of stream) {
    if (Buffer.isBuffer(chunk)) yield chunk;
  }
}

/**
 * The first process of the sandbox's namespace; when it is gone, all of them are. Null when none came to be. Known before
 * all is told: a sandbox that waits to begin goes on holding the descriptor, and bubblewrap must find it open to the end.
 */
async function firstOfNamespace(child: ChildProcess): Promise<RunningProcess | null> {
  const told = readableOf(child.stdio.at(INFO_DESCRIPTOR));
  if (!told) return null;
  const pid = await new Promise<string | null>((resolve) => {
    let text = '';
    told.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const found = /"child-pid": *(\d+)\D/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    told.once('close', () => resolve(null));
    told.once('error', () => resolve(null));
  });
  return pid === null ? null : identify(Number(pid));
}

function readableOf(stream: unknown): Readable | null {
  return stream instanceof Readable ? stream : null;
}

function kill(pid: number | undefined, group: boolean): void {
  if (pid === undefined) return;
  try {
    process.kill(group ? -pid : pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
