import { KedgeError } from '../contract/errors';
import type { Operation } from '../core/operation';
import type { Parts } from './parts';

/**
 * Removes the mirror of a site, in turn with its tasks; false where there is none. Its next backup brings all of it again.
 * @throws KedgeError SiteBusy
 */
export async function forgetSite(
  { mirrors, locks, journals }: Pick<Parts, 'mirrors' | 'locks' | 'journals'>,
  site: string,
  operation: Operation,
): Promise<boolean> {
  if (!(await mirrors.sites()).includes(site)) return false;
  await locks.hold(site, operation, async () => {
    const [open] = await journals.open(site);
    if (open) throw new KedgeError('SiteBusy', `${site} is busy: ${open.task}`, { site });
    await mirrors.forget(site, operation);
  });
  return true;
}
