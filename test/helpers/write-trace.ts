import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/*
 * What a process writes below a folder, seen by strace: whether everything was on the disk before it was given its name, and every name
 * before anybody was told that the work is done.
 */

const CALLS = [
  ...['openat', 'write', 'pwrite64', 'writev', 'pwritev', 'ftruncate', 'fsync', 'fdatasync', 'rename', 'renameat'],
  ...['renameat2', 'link', 'linkat', 'unlink', 'mkdir', 'access'],
];
const MARK = '/kedge-trace/';

/** True where strace may look at another process. */
export function canAttach(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true']);
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** This process under strace, and what it starts meanwhile. */
export class WriteTrace {
  private readonly threads = new Set(threadsOf());

  private constructor(
    private readonly tracer: ChildProcess,
    private readonly file: string,
  ) {}

  static async attach(file: string): Promise<WriteTrace> {
    const args = ['-f', '-y', '-s', '0', '-o', file, '-e', `trace=${CALLS.join(',')}`, '-p', `${process.pid}`];
    const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const trace = new WriteTrace(tracer, file);
    await new Promise<void>((resolve, reject) => {
      tracer.once('exit', () => reject(new Error('strace did not attach')));
      createInterface({ input: tracer.stderr }).on('line', (line) => {
        if (line.includes('attached')) resolve();
      });
    });
    return trace;
  }

  /** Notes that somebody was told so far: whatever was promised to last does. */
  told(what: string): void {
    try {
      accessSync(`${MARK}${what}`);
    } catch {
      // It is there to be seen.
    }
  }

  async detach(): Promise<string[]> {
    for (const thread of threadsOf()) this.threads.add(thread);
    const ended = once(this.tracer, 'exit');
    this.tracer.kill('SIGINT');
    await ended;
    return readFileSync(this.file, 'latin1').split('\n');
  }

  /** What of it is not as promised, below a folder; a sentence each. */
  problems(lines: readonly string[], folder: string, options: TraceOptions): string[] {
    const look = new Look(folder, options);
    for (const call of callsOf(lines)) look.see(call, this.threads.has(call.thread));
    return look.problems;
  }
}

function threadsOf(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

export interface TraceOptions {
  /** Files that need not be on the disk when somebody is told: nobody relies on them. */
  readonly needNotLast: (path: string) => boolean;
  /** Folders where whatever has a name stands for good before the next thing is named. */
  readonly inOrder: readonly string[];
}

/** A call of the system, when it began and when it ended. */
interface Call {
  readonly thread: number;
  readonly name: string;
  readonly args: string;
  readonly result: string;
  readonly began: number;
  readonly ended: number;
}

/** In the order in which they ended; those that failed are left out, but for marks. */
function* callsOf(lines: readonly string[]): Generator<Call> {
  const unfinished = new Map<number, { text: string; began: number }>();
  for (const [at, line] of lines.entries()) {
    const [, id = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const thread = Number(id);
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(thread, { text: rest.slice(0, -'<unfinished ...>'.length), began: at });
      continue;
    }
    const [, resumed] = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest) ?? [];
    const begun = unfinished.get(thread);
    if (resumed !== undefined) unfinished.delete(thread);
    const text = resumed === undefined ? rest : `${begun?.text ?? ''}${resumed}`;
    const [, name = '', args = '', result = ''] = /^(\w+)\((.*)\)\s+= (.*)$/.exec(text) ?? [];
    const failed = result.startsWith('-1') || result.startsWith('?');
    if (name === '' || (failed && name !== 'access')) continue;
    yield { thread, name, args, result, began: resumed === undefined ? at : (begun?.began ?? at), ended: at };
  }
}

class Look {
  readonly problems: string[] = [];
  /** Where what is open leads. */
  private readonly open = new Map<string, string>();
  /** When the last write to a file ended that no sync has followed. */
  private readonly unwritten = new Map<string, number>();
  /** What was changed in a folder that no sync of it has followed, and when. */
  private readonly unnamed = new Map<string, Map<string, number>>();
  private readonly named = new Set<string>();

  constructor(
    private readonly folder: string,
    private readonly options: TraceOptions,
  ) {}

  /** Names count where the process itself gives them; programs that it starts may see other folders. */
  see(call: Call, isOwn: boolean): void {
    const { name, args, result, began, ended } = call;
    const descriptor = pathOf(args);
    switch (name) {
      case 'openat':
        if (isOwn) this.open.set(String(Number.parseInt(result, 10)), pathOf(result) ?? '');
        return;
      case 'fsync':
      case 'fdatasync':
        if (descriptor !== undefined) this.synced(descriptor, began);
        return;
      case 'access':
        if (isOwn && args.includes(MARK)) this.told(/"[^"]*\/([^"/]*)"/.exec(args)?.[1] ?? '');
        return;
      case 'rename':
      case 'renameat':
      case 'renameat2':
      case 'link':
      case 'linkat':
        if (isOwn) this.moved(args, began, ended);
        return;
      case 'unlink':
      case 'mkdir':
        if (isOwn) this.changed(this.real(quoted(args)[0] ?? ''), name === 'unlink', ended);
        return;
      default:
        if (descriptor !== undefined && this.isOurs(descriptor)) this.unwritten.set(descriptor, ended);
    }
  }

  private isOurs(path: string): boolean {
    return path.startsWith(`${this.folder}/`) && !this.options.needNotLast(path);
  }

  private synced(path: string, began: number): void {
    const wrote = this.unwritten.get(path);
    if (wrote !== undefined && wrote < began) this.unwritten.delete(path);
    const changes = this.unnamed.get(path);
    for (const [change, when] of changes ?? []) if (when < began) changes?.delete(change);
  }

  private moved(args: string, began: number, ended: number): void {
    const [from = '', to = ''] = quoted(args).map((path) => this.real(path));
    if (!this.isOurs(to)) return;
    if (this.unwritten.has(from)) this.problems.push(`${to} was named before its content was on the disk`);
    const place = dirname(to);
    const before = [...(this.unnamed.get(place) ?? [])].filter(([, when]) => when < began).map(([change]) => change);
    if (this.options.inOrder.includes(place) && before.length > 0)
      this.problems.push(`${to} was named before ${before.join(' and ')} lasted`);
    const wrote = this.unwritten.get(from);
    this.unwritten.delete(from);
    if (wrote !== undefined) this.unwritten.set(to, wrote);
    this.named.add(to);
    if (this.options.inOrder.includes(place) && /^[^.].*\.json$/.test(basename(to))) this.archiveIsThere(to);
    this.changed(to, false, ended);
    if (dirname(from) !== place) this.changed(from, true, ended);
  }

  /** A record names an archive. */
  private archiveIsThere(record: string): void {
    const archive = `${record.slice(0, -'.json'.length)}.tar`;
    if (![...this.named].some((path) => path.startsWith(archive)))
      this.problems.push(`${record} was named before its archive`);
  }

  private changed(path: string, isGone: boolean, ended: number): void {
    if (!this.isOurs(path)) return;
    if (isGone) this.unwritten.delete(path);
    const place = dirname(path);
    this.unnamed.set(place, (this.unnamed.get(place) ?? new Map<string, number>()).set(basename(path), ended));
  }

  private told(what: string): void {
    for (const path of this.unwritten.keys()) this.problems.push(`${what}: the content of ${path} may be lost`);
    for (const [place, changes] of this.unnamed)
      for (const change of changes.keys()) this.problems.push(`${what}: ${join(place, change)} may be as before`);
    this.unwritten.clear();
    this.unnamed.clear();
  }

  /** Paths of a folder that is open, as Kedge names them. */
  private real(path: string): string {
    const [, descriptor = '', rest = ''] = /^\/proc\/self\/fd\/(\d+)(\/.*)?$/.exec(path) ?? [];
    return descriptor === '' ? path : `${this.open.get(descriptor) ?? ''}${rest}`;
  }
}

/** What a descriptor leads to, as strace shows the first of a call. */
function pathOf(args: string): string | undefined {
  return /^\d+<([^>]*)>/.exec(args)?.[1];
}

function quoted(args: string): string[] {
  return [...args.matchAll(/"([^"]*)"/g)].map(([, text = '']) => text);
}
