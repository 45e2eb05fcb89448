import { basename } from 'node:path';
import type { DatabaseServer, Fence } from '../../databases/database-server';
import { flagPath } from '../../flags/flag-paths';
import type { Journal } from '../../tasks/journal';
import type { SiteState } from '../../tasks/site-state';
import type { SearchParts } from './leftover';
import { prepareAgain } from './machines';

/** Sites whose maintenance page is up although no task is open, a sentence each: theirs is a person's decision. */
export async function findShutSites(
  { flags, machines }: SearchParts,
  states: readonly SiteState[],
  isBusy: (site: string) => boolean,
): Promise<string[]> {
  const shut: string[] = [];
  const sites = states.map(({ site }) => site);
  for (const { host, path } of flags) {
    const question = { site: null, whenRefused: prepareAgain(host) };
    const names = new Set(await machines.ask(host, question, () => host.list(path)));
    for (const site of sites) {
      if (!names.has(basename(flagPath(path, site))) || isBusy(site)) continue;
      shut.push(`${site} shows its maintenance page, and no task is open: run \`kedge sites online ${site}\``);
    }
  }
  return shut;
}

/** True when the site still lives on the account, and no open task is at work on it. */
export function isInUse(
  fence: Fence | null,
  site: string,
  states: readonly SiteState[],
  open: readonly Journal[],
): boolean {
  if (!fence || open.some((journal) => journal.site === site)) return false;
  return states.some((state) => state.site === site && state.current.account.user === fence.account.user);
}

export async function isStillFenced(
  server: DatabaseServer,
  { account, database, lockedBefore }: Fence,
): Promise<boolean> {
  // Where the server stopped answering, the next search tells.
  const now = await server.planFence(account, database).catch(() => null);
  return now?.lockedBefore.some((host) => !lockedBefore.includes(host)) ?? false;
}
