import type { SiteAtWork } from '../sites/site-at-work';
import type { Journals } from '../tasks/journals';

/** Older tasks of a site have no part in what is up now. */
const MAXIMUM_TASKS = 50;

/**
 * Whether the maintenance page of a site, which is up, was left by a task of Kedge's that is closed, as one is that was given up without its
 * machine: by its flag, which says when it is over, and the journals. What an administrator put up since says nothing, or is newer.
 * To be asked for the one task of the site that is open.
 */
export async function isLeftByTask(journals: Journals, { uri, target, host, webServer }: SiteAtWork): Promise<boolean> {
  const since = await webServer.endsByItselfSince(uri);
  if (since === null) return false;
  // The times of files are told by the clock of their host.
  const aheadMs = (await host.now()) - Date.now();
  return (await journals.newest(MAXIMUM_TASKS, uri)).some(
    ({ outcome, maintenance, target: its }) =>
      outcome !== null &&
      maintenance?.foundOn === false &&
      maintenance.ended === null &&
      its?.web.name === target.web.name &&
      since <= Date.parse(outcome.ended) + aheadMs,
  );
}
