import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Outcome, kedge } from '../../scripts/demo/kedge';
import { type Lab, startLab } from '../../scripts/lab/lab';
import type { WordPressSite } from '../../scripts/lab/wordpress';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { loadConfiguration } from '../../src/config/load';
import { runWorker } from '../../src/worker';

export type { Lab, Outcome, WordPressSite };
export { startLab };

/** Runs a command of the built product against a lab. */
export async function cli(lab: Lab, ...args: string[]): Promise<Outcome> {
  return kedge(args, lab.environment);
}

/** The JSON document of a command that ends well. */
export async function cliJson<T>(lab: Lab, ...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await cli(lab, ...args, '--json');
  if (exitCode !== 0 && exitCode !== 3)
    throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as T;
}

export interface FailureDocument {
  error: {
    code: string;
    message: string;
    hint?: string;
    site?: string;
    server?: string;
    state?: string;
    safetyBackup?: string;
  };
}

/** The error document and exit code of a command that fails. */
export async function cliFailure(
  lab: Lab,
  ...args: string[]
): Promise<FailureDocument['error'] & { exitCode: number }> {
  const { exitCode, stdout, stderr } = await cli(lab, ...args, '--json');
  if (exitCode === 0 || exitCode === 3) throw new Error(`kedge ${args.join(' ')} did not fail: ${stdout}${stderr}`);
  return { ...(JSON.parse(stdout) as FailureDocument).error, exitCode };
}

/** Runs `work` beside a worker in this process, with faults around its parts. */
export async function withWorkerInProcess<T>(
  lab: Lab,
  decorate: (dependencies: ActivityDependencies) => ActivityDependencies,
  work: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const environment = { ...process.env, ...lab.environment };
  const configuration = await loadConfiguration(lab.configuration);
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => (ready = resolve));
  const running = runWorker({
    configuration,
    configurationPath: lab.configuration,
    environment,
    signal: stop.signal,
    onReady: () => ready(),
    decorate,
  });
  try {
    await Promise.race([isReady, running]);
    return await work();
  } finally {
    stop.abort();
    await running;
  }
}

/** What Kedge may leave nothing of: databases, accounts, staged folders, spools, flags, open tasks, processes. */
export async function leftovers(lab: Lab): Promise<Record<string, string[]>> {
  const lines = (text: string): string[] => text.trim().split('\n').filter(Boolean).sort();
  const inFolder = (path: string): string[] => {
    try {
      return readdirSync(path).sort();
    } catch {
      return [];
    }
  };
  return {
    databases: lines(await lab.mariadb.query('SHOW DATABASES')),
    accounts: lines(await lab.mariadb.query(`SELECT CONCAT(user, '@', host) FROM mysql.user`)),
    grants: lines(
      await lab.mariadb.query(`SELECT CONCAT_WS(' ', user, host, db, select_priv, event_priv) FROM mysql.db`),
    ),
    locked: lines(
      await lab.mariadb.query(
        `SELECT CONCAT(user, '@', host) FROM mysql.global_priv WHERE priv LIKE '%"account_locked":true%'`,
      ),
    ),
    staging: inFolder(join(lab.folder, 'srv/.kedge')),
    sites: inFolder(join(lab.folder, 'srv')),
    spool: inFolder(join(lab.state, 'spool')),
    open: inFolder(join(lab.state, 'open')),
    flags: inFolder(lab.nginx.address.flags),
    temporary: lab.sites
      .flatMap((site) => inFolder(join(lab.backups, site.uri)))
      .filter((name) => name.startsWith('.')),
    processes: markedProcesses(lab),
  };
}

/** The parts of a journal that tests look at. */
export interface JournalView {
  readonly task: string;
  readonly token: string;
  readonly step: string | null;
  readonly undoing: boolean;
  readonly created: { readonly importBegan: boolean; readonly databases: readonly string[] } | null;
  readonly outcome: { readonly status: string; readonly code: string | null } | null;
}

/** Journals of a lab, in the order of their tasks' ids; of one type of task, or of all. */
export function journalsOf(lab: Lab, type = ''): JournalView[] {
  const folder = join(lab.state, 'tasks');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(`${type}.json`) && !name.startsWith('.'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as JournalView);
}

/** Processes that carry the mark of a task of this lab; those of other labs, of tests that run beside, are not ours. */
export function markedProcesses(lab: Lab): string[] {
  const tokens = journalsOf(lab).map(({ token }) => token);
  const isOurs = (environment: string): boolean => {
    const mark = /(?:^|\0)KEDGE_MARK=(?:undo-|finish-)?(\w+)\//.exec(environment)?.[1];
    return mark !== undefined && tokens.includes(mark);
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return isOurs(readFileSync(`/proc/${pid}/environ`, 'latin1'));
      } catch {
        return false;
      }
    });
}

/** Waits for a condition, asking often. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await delay(10);
  }
}

/** A command of the system, for the test's own needs. */
export function shell(...argv: [string, ...string[]]): string {
  return execFileSync(argv[0], argv.slice(1)).toString();
}
