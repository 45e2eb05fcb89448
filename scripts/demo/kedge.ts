import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The built command, as a user runs it. */
export const KEDGE =
  [join(__dirname, '../../src/cli/main.js'), join(__dirname, '../../dist/src/cli/main.js')].find((path) =>
    existsSync(path),
  ) ?? '';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Listener = (configuration: string | undefined, what: string, text: string) => void;
let listener: Listener = () => undefined;

/** From now on `heard` is told all that commands and workers of this process say, by the configuration they act on. */
export function listenToOutput(heard: Listener): void {
  listener = heard;
}

/** Runs `kedge` and waits for it. Lines it says about what goes on are handed over as they come; `signal` kills it. */
export async function kedge(
  args: readonly string[],
  environment: Record<string, string>,
  onLine: (line: string) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Outcome> {
  signal?.throwIfAborted();
  const child = spawn(KEDGE, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  createInterface({ input: child.stderr }).on('line', (line) => {
    stderr += `${line}\n`;
    onLine(line);
  });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 128));
  }).finally(() => signal?.removeEventListener('abort', kill));
  listener(environment['KEDGE_CONFIG'], `kedge ${args.join(' ')}`, `${stdout}${stderr}`);
  return { exitCode, stdout, stderr };
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  stop(): Promise<void>;
  /** `kill -9` */
  kill(): Promise<void>;
}

/** Starts `kedge worker` and waits until it takes tasks. It dies with this process. */
export async function startWorkerProcess(
  environment: Record<string, string>,
  onLine: (line: string) => void = () => undefined,
): Promise<WorkerProcess> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', KEDGE, 'worker'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let said = '';
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the worker ended with ${code}: ${said}`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      said = `${said}${line}\n`.slice(-4000);
      listener(environment['KEDGE_CONFIG'], 'the worker', `${line}\n`);
      onLine(line);
      if (line.includes('is ready')) resolve();
    });
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return { process: child, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
