import type { KedgeClient } from '../client';
import type { Configuration } from '../config/schema';
import { WORKFLOW_TYPES, isTaskIdOf, taskQueueOf } from '../contract/names';
import { findOpenTask } from './find-task';
import type { Parts } from './parts';

export interface Cancelled {
  readonly task: string;
  /** True for one that runs, and undoes what it did; false for one that gave its turn up, and never begins. */
  readonly cancelling: boolean;
}

/** IDs of workflows that back up many sites: as commands begin them, and as schedules do. */
const OF_MANY_SITES = /^(backup-all|schedule)\//;

/**
 * Asks a task to stop, by its id or by its site, or backups of many sites by the ID of their workflow; returns at once. `client` is asked for
 * when it is needed.
 * @throws KedgeError TaskUnknown for none, or one that has ended; NoWorker, TemporalUnreachable
 */
export async function cancelTask(
  parts: Pick<Parts, 'journals'>,
  configuration: Pick<Configuration, 'master' | 'sites'>,
  client: () => Promise<KedgeClient>,
  name: string,
): Promise<Cancelled> {
  if (OF_MANY_SITES.test(name)) {
    const { cancelBackupAll } = await import('../temporal/backup-all.js');
    await cancelBackupAll((await client()).temporal, taskQueueOf(configuration.master), name);
    return { task: name, cancelling: true };
  }
  const waiting = await siteOfWaitingTask(parts, configuration, name);
  if (waiting !== null && (await (await client()).task(waiting, name).giveUpTurn()))
    return { task: name, cancelling: false };
  const { task, site, workflowId, runId } = await findOpenTask(parts, configuration, name);
  const { temporal } = await client();
  await temporal.workflow
    .getHandle(workflowId, runId)
    .cancel()
    .catch(async (error: unknown) => {
      const { kedgeErrorOf } = await import('../temporal/failures.js');
      throw kedgeErrorOf(error, site);
    });
  return { task, cancelling: true };
}

/** The site of a task that has no journal: it waits for its turn, or there is none of that id. */
async function siteOfWaitingTask(
  { journals }: Pick<Parts, 'journals'>,
  configuration: Pick<Configuration, 'sites'>,
  task: string,
): Promise<string | null> {
  const sites = Object.keys(configuration.sites);
  const site = sites.find((uri) => WORKFLOW_TYPES.some((type) => isTaskIdOf(task, uri, type)));
  if (site === undefined || (await journals.find(task))) return null;
  return site;
}
