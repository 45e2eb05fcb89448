import { findSite } from '../config/inventory';
import type { Configuration } from '../config/schema';
import { KedgeError } from '../contract/errors';
import type { Journal } from '../core/tasks/journal';
import type { Parts } from './parts';

/**
 * The task of that id, or of the site that a name means: the one that runs, else the newest.
 * @throws KedgeError TaskUnknown
 */
export async function findTask(
  { journals }: Pick<Parts, 'journals'>,
  configuration: Pick<Configuration, 'sites'>,
  name: string,
): Promise<Journal> {
  const site = findSite(configuration, name);
  if (site === null) return journals.get(name);
  // The one that runs, whatever time its id says: somebody may have set the clock back.
  const [newest] = [...(await journals.open(site)), ...(await journals.newest(1, site))];
  if (newest) return newest;
  throw new KedgeError('TaskUnknown', `${site} had no task yet`, { site });
}

/** As {@link findTask}, for what can be done to a task that goes on alone. @throws KedgeError TaskUnknown also for one that has ended */
export async function findOpenTask(...asked: Parameters<typeof findTask>): Promise<Journal> {
  const journal = await findTask(...asked);
  const { task, site, outcome } = journal;
  if (outcome) throw new KedgeError('TaskUnknown', `${task} has ended: ${outcome.status}`, { site });
  return journal;
}
