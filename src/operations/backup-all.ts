import { setTimeout as delay } from 'node:timers/promises';
import type { BackupAllRun } from '../client';
import { type BackupRun, planBackupRun } from '../config/backup-run';
import { findSite } from '../config/inventory';
import type { Configuration } from '../config/schema';
import { hasWildcard } from '../config/selection';
import type { BackedUpSite, BackupAllReport } from '../contract/documents';
import type { BackupAllInput, BackupAllResult } from '../contract/fleet';
import { secondOfTask } from '../contract/names';
import type { Journal } from '../core/tasks/journal';
import type { Parts } from './parts';

type ReportingParts = Pick<Parts, 'catalog' | 'journals' | 'redact'>;

/** Backups of many sites, as a person asks for them. */
export interface AskedBackups extends Omit<BackupAllInput, 'schedule' | 'selection'> {
  /** Names of sites as people write them, or with `*` for any characters. None: all sites. */
  readonly names: readonly string[];
  readonly kind?: NonNullable<BackupAllInput['selection']>['kind'];
  readonly server?: string | undefined;
}

/**
 * What is to be started, and what it will do as the configuration is now.
 * @throws KedgeError SiteUnknown; ConfigurationInvalid for pruning without a rule
 */
export function askForBackups(
  configuration: Configuration,
  { names, kind, server, ...how }: AskedBackups,
): { input: BackupAllInput; run: BackupRun } {
  const sites = names.map((name) => (hasWildcard(name) ? name.toLowerCase() : (findSite(configuration, name) ?? name)));
  const selection = {
    ...(sites.length === 0 ? {} : { sites: [...new Set(sites)] }),
    ...(kind === undefined ? {} : { kind }),
    ...(server === undefined ? {} : { server }),
  };
  const input: BackupAllInput = { ...how, ...(Object.keys(selection).length === 0 ? {} : { selection }) };
  return { input, run: planBackupRun(configuration, input) };
}

/** What is seen of backups of many sites. The last event is one of how they ended, unless following throws. */
export type BackupAllEvent =
  /** What became of one more site. */
  | { readonly kind: 'site-ended'; readonly site: BackedUpSite; readonly ended: number }
  /** The sites that are being backed up now. */
  | { readonly kind: 'running'; readonly sites: readonly string[]; readonly ended: number }
  | { readonly kind: 'ended'; readonly report: BackupAllReport }
  /** They go on, and whoever followed has left. */
  | { readonly kind: 'left' };

const POLL_INTERVAL_MS = 1000;

/**
 * Backups of many sites as they go on, until all have ended or `leave` aborts. `since`: a moment before they were started, ms since 1970.
 * @throws KedgeError of what kept all of them from being backed up; Cancelled; TemporalUnreachable
 */
export async function* followBackupAll(
  parts: ReportingParts,
  run: Pick<BackupAllRun, 'workflowId' | 'requestKey' | 'result'>,
  since: number,
  leave: AbortSignal,
): AsyncGenerator<BackupAllEvent, void> {
  const tasks = new TasksOfRun(parts, run.requestKey, since);
  const waiting = new AbortController();
  let settled = false;
  const result = run.result(waiting.signal).finally(() => (settled = true));
  // Awaited below; until then its failure is not unhandled.
  result.catch(() => undefined);
  try {
    while (!settled && !leave.aborted) {
      const { ended, running } = await tasks.look();
      for (const site of ended) yield { kind: 'site-ended', site, ended: tasks.ended.length };
      yield { kind: 'running', sites: running, ended: tasks.ended.length };
      // A pause that nobody waits for must not keep the process from ending.
      if (!settled)
        await Promise.race([delay(POLL_INTERVAL_MS, undefined, { ref: false }), result.catch(() => undefined)]);
    }
    if (!settled) {
      yield { kind: 'left' };
      return;
    }
    const { ended } = await tasks.look();
    for (const site of ended) yield { kind: 'site-ended', site, ended: tasks.ended.length };
    const done = await result;
    const report = await reportOf(parts, run.workflowId, done, since);
    yield { kind: 'ended', report };
  } finally {
    // A poll that goes on would keep the process from ending.
    waiting.abort();
  }
}

/** What became of each site, by the journals of the master; and by the run of those whose task never began. */
export async function reportOf(
  parts: ReportingParts,
  workflowId: string,
  result: BackupAllResult,
  since: number,
): Promise<BackupAllReport> {
  const tasks = new TasksOfRun(parts, result.requestKey, since);
  await tasks.look();
  const told = new Set(tasks.ended.map(({ site }) => site));
  const without = result.failures
    .filter(({ site }) => !told.has(site))
    .map(({ site, code, message }) => ({
      ...{ site, task: null, backup: null, bytes: null, durationMs: null, warnings: [] },
      outcome: code === 'Cancelled' ? ('cancelled' as const) : ('failed' as const),
      error: { code, message: parts.redact(message, site) },
    }));
  const { done, warned, failed, pruned, durationMs } = result;
  const sites = [...tasks.ended, ...without].sort((one, other) => (one.site < other.site ? -1 : 1));
  return { workflowId, sites, done, warned, failed, pruned, durationMs };
}

/** The clocks of the master and of Temporal may differ by so much. */
const CLOCK_SKEW_MS = 600_000;

/** The tasks of one run, by their journals: each is read until it has ended, and those of before the run are not. */
class TasksOfRun {
  readonly ended: BackedUpSite[] = [];
  private readonly known = new Set<string>();

  constructor(
    private readonly parts: ReportingParts,
    private readonly requestKey: string,
    private readonly since: number,
  ) {}

  /** What has ended since the last look, and the sites whose tasks go on. */
  async look(): Promise<{ ended: BackedUpSite[]; running: string[] }> {
    const ended: BackedUpSite[] = [];
    const running: string[] = [];
    for (const task of await this.parts.journals.all()) {
      if (this.known.has(task)) continue;
      const isOlder = (secondOfTask(task) ?? 0) < this.since - CLOCK_SKEW_MS;
      const journal = isOlder ? undefined : await this.parts.journals.find(task).catch(() => undefined);
      if (journal?.requestKey === this.requestKey && journal.outcome === null) running.push(journal.site);
      else this.known.add(task);
      if (journal?.requestKey === this.requestKey && journal.outcome !== null)
        ended.push(await this.endedSite(journal, journal.outcome));
    }
    this.ended.push(...ended);
    return { ended, running };
  }

  private async endedSite(
    { task, site, backup, started }: Journal,
    { status, code, message, warnings, ended }: NonNullable<Journal['outcome']>,
  ): Promise<BackedUpSite> {
    const { catalog, redact } = this.parts;
    const published = backup?.published ? backup.id : null;
    const record = published === null ? undefined : await catalog.get(site, published).catch(() => undefined);
    return {
      ...{ site, task, outcome: status, warnings: redact(warnings, site) },
      backup: published,
      bytes: record?.bytes ?? backup?.packed?.bytes ?? null,
      durationMs: Math.max(0, new Date(ended).getTime() - new Date(started).getTime()),
      error:
        code === null && message === null ? null : { code: code ?? 'Internal', message: redact(message ?? '', site) },
    };
  }
}
