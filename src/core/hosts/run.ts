import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, access } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { delimiter, join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { KedgeError } from '../../contract/errors';
import { diskFullOr } from './disk-full';
import type { Command, Completed, Sandbox } from './host';
import { openPath } from './open-path';
import { MARK_VARIABLE, type RunningProcess, endGroup, endMarkedProcesses, identify, waitUntilGone } from './processes';
import { INFO_DESCRIPTOR, bindsOf, confine } from './sandbox';
import { secretFile } from './secret-file';

export interface RunContext {
  readonly server: string;
  readonly privileged: boolean;
}

const DEFAULT_CAPTURE_BYTES = 1024 * 1024;
const MESSAGE_BYTES = 8 * 1024;
const MESSAGE_LINES = 8;
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `Host.run` on this machine; its contract is there. */
export async function run(command: Command, { server, privileged }: RunContext): Promise<Completed> {
  const { signal, mark } = command.operation;
  signal.throwIfAborted();
  assertOwner(command, privileged, server);
  await assertInstalled(command, server);
  const [program, ...args] = command.sandbox ? confine(command, command.sandbox, privileged) : [...command.argv];
  // Of its own, so that what is left of this program is found, and not that of others of the operation.
  const ownMark = `${mark}/${randomBytes(8).toString('hex')}`;
  const opened: FileHandle[] = [];
  try {
    const secret = command.secret === undefined ? null : await secretFile(command.secret, command.owner);
    if (secret) opened.push(secret);
    const sources = command.sandbox ? await openSources(command.sandbox, server, opened) : [];
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
      ],
      env: {
        PATH: PROGRAM_PATH,
        LC_ALL: 'C.UTF-8',
        ...(command.sandbox ? {} : command.environment),
        [MARK_VARIABLE]: ownMark,
      },
      // An unconfined program is ended with its group; a confined one with its namespace.
      detached: command.sandbox === undefined,
    });
    return await supervise(child, command, ownMark, server);
  } finally {
    await Promise.all(opened.map((handle) => handle.close()));
  }
}

/** Descriptors of what the sandbox shows. Each handle is added to `opened` at once. */
async function openSources(sandbox: Sandbox, server: string, opened: FileHandle[]): Promise<number[]> {
  const sources: number[] = [];
  for (const { from } of bindsOf(sandbox)) {
    const handle = await openPath(from, server);
    opened.push(handle);
    sources.push(handle.fd);
  }
  return sources;
}

async function supervise(child: ChildProcess, command: Command, ownMark: string, server: string): Promise<Completed> {
  const { signal } = command.operation;
  const name = command.argv[0];
  const capture = command.limits?.captureBytes ?? DEFAULT_CAPTURE_BYTES;
  let ended: Error | null = null;
  let swept: Promise<unknown> = Promise.resolve();
  let unswept: unknown = null;
  let first: RunningProcess | null = null;
  const firstProcess = firstOfNamespace(child).then((process) => (first = process));
  const end = (reason: Error): void => {
    if (ended) return;
    ended = reason;
    swept = endAll(child, first, command, ownMark, server).catch((error: unknown) => void (unswept ??= error));
  };
  const onAbort = (): void => end(new Error('cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  const timeoutMs = command.limits?.timeoutMs;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () =>
            end(
              new KedgeError('ProgramTimedOut', `${name} did not end within ${timeoutMs} ms on ${server}`, { server }),
            ),
          timeoutMs,
        );
  const tooMuch = (): void =>
    end(new KedgeError('ProgramFailed', `${name} on ${server} wrote more than ${capture} bytes`, { server }));

  try {
    const exit = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      // What it left in its group would keep the pipes open. A daemon has a group of its own.
      if (!command.sandbox) {
        child.once('exit', () => {
          const group = endGroup(child.pid ?? 0, server).catch((error: unknown) => void (unswept ??= error));
          swept = Promise.all([swept, group]);
        });
      }
      child.once('close', (code, killedBy) => resolve(code ?? (killedBy === null ? 1 : 128)));
    });
    const streams = Promise.all([
      feed(child.stdin, command.input, end),
      command.output ? deliver(child.stdout, command.output, end) : collect(child.stdout, capture, tooMuch),
      collectTail(child.stderr, MESSAGE_BYTES, command.onErrorOutput),
      command.wantsResult ? collect(readableOf(child.stdio[4]), capture, tooMuch) : Promise.resolve(Buffer.alloc(0)),
    ]);
    // Both are awaited, whichever fails first: nothing of the program lives on when this returns.
    const [exited, streamed] = await Promise.allSettled([exit, streams]);
    await swept;
    if (unswept !== null) throw unswept;
    // Bubblewrap tells the exit code before the namespace is empty.
    const last = await firstProcess;
    if (last) await waitUntilGone(last, server);
    if (signal.aborted) throw signal.reason;
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
    // Where the sandbox could not be built the exit code is bubblewrap's, and the program said nothing before it.
    const unconfined = command.sandbox && completed.exitCode !== 0 && completed.stderr.startsWith('bwrap: ');
    if (unconfined || !(command.acceptExitCodes ?? [0]).includes(completed.exitCode))
      throw programFailure(command, completed, server);
    return completed;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Ends a program and all that came of it. The end of bubblewrap closes standard input, which who reads it would take for
 * the end of the input: so the namespace ends first, by its first process, as soon as that is known.
 */
async function endAll(
  child: ChildProcess,
  first: RunningProcess | null,
  command: Command,
  ownMark: string,
  server: string,
): Promise<void> {
  try {
    kill(first?.pid ?? child.pid, command.sandbox === undefined);
    if (first) await waitUntilGone(first, server);
  } finally {
    // A group does not hold who left it, and a sandbox still being built outlives bubblewrap: both keep the pipes open.
    await endMarkedProcesses(ownMark, server);
  }
}

function programFailure(command: Command, { exitCode, stderr }: Completed, server: string): KedgeError {
  const name = command.argv[0];
  const message = lastLines(stderr.trim());
  if (command.sandbox && /^bwrap: Race condition/m.test(message)) {
    const shown = bindsOf(command.sandbox).map(({ from }) => from);
    return new KedgeError(
      'FileRefused',
      `something else was put in the place of ${shown.join(' or ')} on ${server} while ${name} was started`,
      { server, hint: 'Look who renames there: the owner of the site, or of a folder above it.' },
    );
  }
  if (command.sandbox && /^bwrap: Unknown option --(ro-)?bind-fd/m.test(message)) {
    return new KedgeError('SandboxUnavailable', `bubblewrap on ${server} is too old to be given folders safely`, {
      server,
      hint: 'Install bubblewrap 0.10, or an older one with the mend of CVE-2024-42472, as distributions have it.',
    });
  }
  if (command.sandbox && /^bwrap: /m.test(message)) {
    return new KedgeError('SandboxUnavailable', `${name} cannot be confined on ${server}: ${message}`, { server });
  }
  // GNU tar's words for a disk that took a part.
  if (/no space left on device|disk quota exceeded|Wrote only \d+ of \d+ bytes/i.test(message)) {
    return new KedgeError('DiskFull', `${name} on ${server}: ${message}`, { server });
  }
  return new KedgeError(
    'ProgramFailed',
    `${name} ended with ${exitCode} on ${server}${message === '' ? '' : `: ${message}`}`,
    { server },
  );
}

/** A program that fails at every file says so of every file; an operator needs the last few. */
function lastLines(text: string): string {
  const lines = text.split('\n');
  return lines.length <= MESSAGE_LINES ? text : `…\n${lines.slice(-MESSAGE_LINES).join('\n')}`;
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

function assertOwner(command: Command, privileged: boolean, server: string): void {
  if (!command.owner) return;
  if (!command.sandbox)
    throw new KedgeError('Internal', `${command.argv[0]} is to run as ${command.owner.user} without a sandbox`);
  if (!privileged && command.owner.uid !== process.getuid?.()) {
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
  stdin.on('error', () => undefined);
  stdin.on('drain', () => wake());
  stdin.on('close', () => {
    closed = true;
    source.destroy();
    wake();
  });
  try {
    for await (const chunk of source) {
      if (closed) return;
      if (!stdin.write(chunk)) await new Promise<void>((resolve) => (wake = resolve));
    }
    stdin.end();
  } catch (error) {
    if (closed) return;
    end(error as Error);
    throw error;
  }
}

async function deliver(stdout: Readable | null, output: Writable, end: (reason: Error) => void): Promise<Buffer> {
  if (!stdout) return Buffer.alloc(0);
  try {
    await pipeline(stdout, output);
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
async function collectTail(stream: Readable | null, bytes: number, onChunk?: (chunk: Buffer) => void): Promise<Buffer> {
  let tail = Buffer.alloc(0);
  for await (const chunk of chunksOf(stream)) {
    onChunk?.(chunk);
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

/** The first process of the sandbox's namespace; when it is gone, all of them are. */
async function firstOfNamespace(child: ChildProcess): Promise<RunningProcess | null> {
  const told = readableOf(child.stdio.at(INFO_DESCRIPTOR));
  if (!told) return null;
  const pid = /"child-pid": *(\d+)/.exec((await collect(told, MESSAGE_BYTES, () => undefined)).toString('latin1'))?.[1];
  return pid === undefined ? null : identify(Number(pid));
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
