import { isKedgeError } from '../contract/errors';
import type { Operation } from '../core/operation';
import { databasesOfOthers, proveSite } from './adopt-site';
import type { Parts } from './parts';

/** Why a site of the configuration would not be adopted as it stands there. */
export interface RefusedSite {
  readonly site: string;
  readonly message: string;
  readonly hint: string;
}

/**
 * Tries for each site what adopting it would refuse (owner, folder, settings, login, database, what is in the way of its vhost or
 * snippet), and changes nothing. Sites that a task is at work on are passed over: nothing of them is as it will be.
 * @throws what is no KedgeError; the signal's reason
 */
export async function checkConfiguredSites(
  parts: Pick<Parts, 'journals' | 'redact' | 'resolveTarget' | 'siteAtWork' | 'states'>,
  sites: readonly string[],
  operation: Operation,
): Promise<{ readonly refused: readonly RefusedSite[]; readonly passedOver: readonly string[] }> {
  const refused: RefusedSite[] = [];
  const passedOver: string[] = [];
  // Of two sites with one database the second is refused, though neither is adopted yet.
  const claimed = new Map<string, string>();
  for (const site of sites) {
    try {
      if ((await parts.journals.open(site)).length > 0) {
        passedOver.push(site);
        continue;
      }
      const atWork = parts.siteAtWork(await parts.resolveTarget(site));
      const others = await databasesOfOthers(parts.states, site);
      const { settings } = await proveSite(atWork, new Map([...claimed, ...others]), operation);
      claimed.set(settings.database, site);
      await atWork.webServer.assertWritable(atWork.location, operation);
    } catch (error) {
      operation.signal.throwIfAborted();
      if (!isKedgeError(error)) throw error;
      refused.push({ site, message: parts.redact(error.message, site), hint: parts.redact(error.hint, site) });
    }
  }
  return { refused, passedOver };
}
