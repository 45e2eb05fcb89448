import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import Long from 'long';
import { KedgeError } from '../contract/errors';
import { SEARCH_ATTRIBUTES } from '../contract/names';
import { assertTrusted } from '../trust/trusted-path';
import { isListening } from './listeners';

export interface DevServerOptions {
  readonly executable: string;
  /** SQLite file; null keeps everything in memory. */
  readonly databaseFile: string | null;
  readonly port: number;
  /** Null starts no Web UI. */
  readonly uiPort: number | null;
  readonly environment: Record<string, string | undefined>;
}

export interface DevServer {
  readonly address: string;
  readonly uiAddress: string | null;
  readonly process: ChildProcess;
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>;
}

/** Dynamic configuration of the server: steps begin sooner, priorities of tasks count, timers end when due, not up to 1 s later. */
export const SERVER_TUNING = {
  'system.enableActivityEagerExecution': true,
  'matching.useNewMatcher': true,
  'history.timerProcessorMaxTimeShift': '1ms',
} as const;

/** As options of the Temporal CLI. */
export function tuningOptions(): string[] {
  return Object.entries(SERVER_TUNING).flatMap(([key, value]) => [
    '--dynamic-config-value',
    `${key}=${JSON.stringify(value)}`,
  ]);
}

/** Runs of a namespace vanish after this; Kedge's own history is in its state folder. */
const RETENTION_SECONDS = 30 * 24 * 3600;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;

/** Where `scripts/setup` keeps the Temporal CLI of a user. */
function temporalCliCache(environment: Record<string, string | undefined>): string {
  const cache = environment['XDG_CACHE_HOME'] ?? join(environment['HOME'] ?? homedir(), '.cache');
  return join(cache, 'kedge', 'temporal');
}

/**
 * The Temporal CLI: KEDGE_TEMPORAL_CLI, `temporal` on the PATH, or the user's cache. One that others can change is not run.
 * @throws KedgeError ProgramMissing, OwnerRefused
 */
export async function findTemporalCli(environment: Record<string, string | undefined> = process.env): Promise<string> {
  const named = environment['KEDGE_TEMPORAL_CLI'];
  const onPath = (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  const candidates = named === undefined ? [...onPath, temporalCliCache(environment)] : [named];
  for (const path of candidates) {
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!usable) continue;
    assertTrusted(resolve(path));
    return path;
  }
  throw new KedgeError(
    'ProgramMissing',
    named === undefined ? 'the Temporal CLI is not installed' : `${named} cannot be run`,
    {
      hint: 'Run scripts/setup, or set KEDGE_TEMPORAL_CLI.',
    },
  );
}

/**
 * Starts Temporal's development server: one process, SQLite, Web UI. It dies with this process. Resolves when it serves.
 * @throws KedgeError TemporalUnreachable when it does not come up
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]);
  const args = [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(options.port), '--log-level', 'error'],
    ...(options.uiPort === null ? ['--headless'] : ['--ui-port', String(options.uiPort)]),
    ...(options.databaseFile === null ? [] : ['--db-filename', options.databaseFile]),
    ...attributes,
    ...tuningOptions(),
  ];
  // A hard death of this process must not leave it behind.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', options.executable, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: { ...inherited(process.env), ...options.environment },
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2000)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const address = `127.0.0.1:${options.port}`;
  try {
    await untilServing(address, options.port, child);
  } catch (cause) {
    child.kill('SIGKILL');
    await exited;
    throw new KedgeError(
      'TemporalUnreachable',
      `the Temporal development server did not start at ${address}: ${said.trim()}`,
      { cause },
    );
  }
  return {
    address,
    uiAddress: options.uiPort === null ? null : `http://127.0.0.1:${options.uiPort}`,
    process: child,
    async stop() {
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      if (child.exitCode === null && child.signalCode === null) await exited;
      clearTimeout(forced);
    },
  };
}

/** What any program may know of where it runs. Not all of it: a secret that the configuration refers to may stand beside. */
function inherited(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = [
    'PATH',
    'HOME',
    'USER',
    'LOGNAME',
    'LANG',
    'LC_ALL',
    'TZ',
    'TMPDIR',
    'XDG_CACHE_HOME',
    'XDG_CONFIG_HOME',
  ];
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}

async function untilServing(address: string, port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      // A connection that is refused is tried again only after a second.
      if (!(await isListening(port))) throw new Error('it does not listen');
      const connection = await Connection.connect({ address, connectTimeout: 1000 });
      try {
        await connection.workflowService.updateNamespace({
          namespace: 'default',
          config: { workflowExecutionRetentionTtl: { seconds: Long.fromNumber(RETENTION_SECONDS) } },
        });
        return;
      } finally {
        await connection.close();
      }
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(20);
    }
  }
}
