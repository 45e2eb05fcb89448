import type { Configuration } from '../config/schema';
import { KedgeError } from '../contract/errors';
import type { Journal } from '../core/tasks/journal';
import type { Parts } from './parts';

/**
 * The task of that id, or of the site of that name: the one that runs, else the newest.
 * @throws KedgeError TaskUnknown
 */
export async function findTask(
  { journals }: Pick<Parts, 'journals'>,
  { sites }: Pick<Configuration, 'sites'>,
  name: string,
): Promise<Journal> {
  if (Object.hasOwn(sites, name)) {
    // The one that runs, whatever time its id says: somebody may have set the clock back.
    const [newest] = [...(await journals.open(name)), ...(await journals.newest(1, name))];
    if (newest) return newest;
    throw new KedgeError('TaskUnknown', `${name} had no task yet`, {
      site: name,
    });
  }
  return journals.get(name);
}
