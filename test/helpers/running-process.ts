import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KEDGE } from '../../scripts/demo/kedge';
import type { Lab } from './e2e';
import { until } from './until';

/** A process that tests talk to while it runs. It dies with the test. */
export class RunningProcess {
  stdout = '';
  stderr = '';
  private readonly exited: Promise<number>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exited = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 128)));
  }

  /** Waits until it has said this, on either stream. */
  async said(text: string | RegExp): Promise<void> {
    await until(`it says ${text}`, () => {
      const all = `${this.stdout}${this.stderr}`;
      if (typeof text === 'string' ? all.includes(text) : text.test(all)) return true;
      if (this.child.exitCode !== null) throw new Error(`it ended without saying ${text}: ${all}`);
      return false;
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Its exit code. */
  async end(signal?: NodeJS.Signals): Promise<number> {
    if (signal) this.signal(signal);
    return this.exited;
  }
}

function start(argv: readonly string[], environment: Record<string, string>): RunningProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return new RunningProcess(child);
}

/** A command of the built product, left running. */
export function startCommand(
  lab: Lab,
  args: readonly string[],
  environment: Record<string, string> = {},
): RunningProcess {
  return start([process.execPath, KEDGE, ...args], { ...lab.environment, ...environment });
}

/** The same on a terminal of its own: what is written to its standard input is typed. */
export function startOnTerminal(
  lab: Lab,
  args: readonly string[],
  environment: Record<string, string> = {},
): RunningProcess {
  const line = [process.execPath, KEDGE, ...args].map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(' ');
  return start(['script', '--quiet', '--return', '--command', `exec ${line}`, '/dev/null'], {
    ...lab.environment,
    TERM: 'xterm',
    SHELL: '/bin/sh',
    ...environment,
  });
}

/** A worker that holds every backup where it begins to pack; it says `holding`, and goes on at SIGUSR1. */
export async function startHoldingWorker(lab: Lab): Promise<RunningProcess> {
  const worker = start([process.execPath, join(__dirname, 'holding-worker.js'), lab.configuration], lab.environment);
  await worker.said('worker is ready');
  return worker;
}

/** An act of a task of a site, see crashing-worker.js. */
export interface CrashPlace {
  readonly part: 'host' | 'webServer' | 'databaseServer' | 'master' | 'journals' | 'states' | 'locks';
  readonly act: string;
  readonly times: number;
  readonly when: 'before' | 'behind';
}

/** Behind the n-th rename of a folder of the site. */
export function behindRename(times: number): CrashPlace {
  return { part: 'host', act: 'rename', times, when: 'behind' };
}

/** A worker that ends once each site named has come to its place; `ended` gives the signal that ended it. */
export async function startCrashingWorker(
  lab: Lab,
  crashAt: Record<string, CrashPlace>,
): Promise<{ ended: Promise<string | null> }> {
  const program = [process.execPath, join(__dirname, 'crashing-worker.js'), lab.configuration, JSON.stringify(crashAt)];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...program], {
    env: { ...process.env, ...lab.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  await new Promise<void>((resolve, reject) => {
    void ended.then(() => reject(new Error('the crashing worker ended early')));
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('is ready')) resolve();
    });
  });
  return { ended };
}
