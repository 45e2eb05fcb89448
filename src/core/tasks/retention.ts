import { siteOfTask, taskTime, timeStamp } from '../../contract/names';
import type { Journals } from './journals';
import type { TaskLogs } from './task-log';

/** How long closed tasks are remembered. */
export interface Retention {
  /** Time since the task was submitted, and since it ended, ms. */
  readonly keepMs: number;
  /** The newest tasks of each site are kept, however old. */
  readonly newest: number;
}

export interface RetentionParts {
  readonly journals: Journals;
  readonly logs: TaskLogs;
  /** True when it is known that nothing is left of what a closed task made: its journal is needed no more. */
  readonly isSettled: (task: string) => boolean;
}

/**
 * Forgets journal and log of closed tasks that are older than they are kept. Never an open one, one that left something
 * behind, or one of the newest of its site. Returns their ids.
 * A journal that cannot be read is kept.
 */
export async function forgetOldTasks(
  { journals, logs, isSettled }: RetentionParts,
  { keepMs, newest }: Retention,
  now: Date,
): Promise<string[]> {
  const limit = new Date(now.getTime() - keepMs);
  const bySite = new Map<string, string[]>();
  for (const task of await journals.all()) {
    const site = siteOfTask(task);
    if (site === undefined) continue;
    const tasks = bySite.get(site) ?? [];
    tasks.push(task);
    bySite.set(site, tasks);
  }
  const forgotten: string[] = [];
  for (const tasks of bySite.values()) {
    tasks.sort((a, b) => (taskTime(b) ?? '').localeCompare(taskTime(a) ?? '') || b.localeCompare(a));
    for (const task of tasks.slice(newest)) {
      // The id tells whether a look into the journal is worth it.
      if ((taskTime(task) ?? '') >= timeStamp(limit) || !isSettled(task)) continue;
      const outcome = (await journals.find(task).catch(() => undefined))?.outcome;
      if (!outcome || new Date(outcome.ended) >= limit) continue;
      // The log first: a crash in between leaves a journal, which is found again.
      await logs.remove(task);
      await journals.remove(task);
      forgotten.push(task);
    }
  }
  return forgotten;
}
