import { basename } from 'node:path';
import type { DatabaseServer, Fence } from '../../databases/database-server';
import { flagPath } from '../../flags/flag-paths';
import type { SiteState } from '../../tasks/site-state';
import { type Problem, problemOf } from '../problem';
import type { SearchParts } from './leftover';
import { prepareAgain } from './machines';

/** Sites whose maintenance page is up although no task is open, a sentence each: theirs is a person's decision. */
export async function findShutSites(
  { flags, machines }: SearchParts,
  states: readonly SiteState[],
  isBusy: (site: string) => boolean,
): Promise<Problem[]> {
  const shut: Problem[] = [];
  const sites = states.map(({ site }) => site);
  for (const { host, path } of flags) {
    const question = { site: null, whenRefused: prepareAgain(host) };
    const names = new Set(await machines.ask(host, question, () => host.list(path)));
    for (const site of sites) {
      if (!names.has(basename(flagPath(path, site))) || isBusy(site)) continue;
      const what = `${site} shows its maintenance page, and no task is open`;
      shut.push(problemOf(what, `run \`kedge sites online ${site}\``));
    }
  }
  return shut;
}

/** True when the site still lives on the account. */
export function isInUse({ account }: Fence, site: string, states: readonly SiteState[]): boolean {
  return states.some((state) => state.site === site && state.current.account.user === account.user);
}

/** @throws KedgeError DatabaseUnreachable and others: whoever is not answered knows nothing */
export async function isStillFenced(
  server: DatabaseServer,
  { account, database, lockedBefore }: Fence,
): Promise<boolean> {
  const now = await server.planFence(account, database);
  return now.lockedBefore.some((host) => !lockedBefore.includes(host));
}
