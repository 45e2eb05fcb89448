import type { KedgeClient } from '../client';
import type { Configuration } from '../config/schema';
import { taskQueueOf } from '../contract/names';
import type { Operation } from '../core/operation';
import {
  type BroughtOnline,
  type RemovedObstacle,
  type TakeOver,
  bringOnline,
  removeObstacles,
} from '../core/recovery/bring-online';
import type { ForeignWorkflow } from '../temporal/foreign-workflows';
import { ANSWER_WITHIN_MS, breakGlassLocks } from './break-glass';
import type { Parts, TakeOverParts } from './parts';

export interface SiteBroughtOnline {
  /** Tasks the site was taken over from; they can only undo now. */
  readonly tasks: readonly (Pick<BroughtOnline, 'task'> & { readonly problems: readonly string[] })[];
  /** What kept the site from its visitors with no task open. */
  readonly found: readonly RemovedObstacle[];
  /** Workflows that are not Kedge's and kept the site's tasks from beginning. */
  readonly ended: readonly ForeignWorkflow[];
  readonly problems: readonly string[];
}

/**
 * Takes a site over from its running task, with Temporal up or down, and brings back whatever keeps it from its visitors. `tell`
 * hears what is waited for, and what could not be seen.
 * @throws KedgeError what taking the site over throws; with no task open, what finding out where the site is throws
 */
export async function bringSiteOnline(
  parts: TakeOverParts & Pick<Parts, 'resolveTarget' | 'states'>,
  { master }: Pick<Configuration, 'master'>,
  client: () => Promise<KedgeClient>,
  site: string,
  takeOver: TakeOver,
  operation: Operation,
  tell: (message: string) => void,
): Promise<SiteBroughtOnline> {
  const locks = breakGlassLocks(parts.locks, tell);
  const brought = await bringOnline({ ...parts, locks }, site, takeOver, operation);
  const tasks = parts.redact(
    brought.map(({ task, problems }) => ({ task, problems: problems.map(({ text }) => text) })),
    site,
  );
  const problems = tasks.flatMap((task) => task.problems);
  const found: RemovedObstacle[] = [];
  try {
    const atWork = parts.siteAtWork(await parts.resolveTarget(site));
    found.push(...parts.redact(await removeObstacles({ ...parts, locks }, atWork, operation), site));
  } catch (error) {
    operation.signal.throwIfAborted();
    // Whoever is told nothing of what was done would do it again.
    if (tasks.length === 0) throw error;
    const why = parts.redact(error instanceof Error ? error.message : String(error), site);
    problems.push(`what else keeps ${site} from its visitors cannot be looked at: ${why}`);
  }
  problems.push(...found.flatMap(({ what, problem }) => (problem === null ? [] : [`${what}: ${problem}`])));
  return { tasks, found, ended: await endForeign(master, client, site, takeOver, tell), problems };
}

/** Ends what keeps the tasks of a site from beginning. With Temporal away that has to wait. */
async function endForeign(
  master: string,
  client: () => Promise<KedgeClient>,
  site: string,
  { by, why }: TakeOver,
  tell: (message: string) => void,
): Promise<ForeignWorkflow[]> {
  const { endForeignWorkflow, findForeignWorkflows } = await import('../temporal/foreign-workflows.js');
  try {
    const { temporal } = await client();
    return await temporal.withDeadline(Date.now() + ANSWER_WITHIN_MS, async () => {
      const found = await findForeignWorkflows(temporal, taskQueueOf(master), site);
      for (const one of found) await endForeignWorkflow(temporal, one, `${why} (${by})`);
      return found;
    });
  } catch (error) {
    tell(
      `whether a workflow that is not Kedge's holds ${site} cannot be seen: ${error instanceof Error ? error.message : String(error)}`,
    );
    return [];
  }
}
