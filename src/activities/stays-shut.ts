import { Context } from '@temporalio/activity';
import { type Journal, markOf } from '../core/tasks/journal';
import { findShutters } from '../core/recovery/shut-sites';
import type { ActivityDependencies } from './dependencies';

/** The end of a task does not wait longer for a server that hangs, ms. */
const LIMIT_MS = 15_000;

/**
 * What keeps the site of a task that ends well from its visitors all the same, a sentence each: the page that was up before,
 * what somebody put up meanwhile. A task that ends so has done its work, and the site is not what its visitors expect.
 */
export async function tellWhatStaysShut(deps: ActivityDependencies, journal: Journal): Promise<string[]> {
  const { target } = journal;
  if (target === null) return [];
  const signal = AbortSignal.any([Context.current().cancellationSignal, AbortSignal.timeout(LIMIT_MS)]);
  const log = { info: () => undefined, warn: () => undefined };
  const found = await findShutters(deps, deps.siteAtWork(target), {
    signal,
    mark: `look-${markOf(journal)}/closeTask`,
    progress: () => undefined,
    log,
  }).catch(() => []);
  return found
    .filter(({ unseen }) => !unseen)
    .map(({ what, hint }) => `${journal.site} stays shut to its visitors: ${what}. ${hint}`);
}
