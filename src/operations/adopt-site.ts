import type { DatabaseAccount } from '../core/databases/database-server';
import type { Operation } from '../core/operation';
import { type Adoption, proveAdoption } from '../core/sites/adoption';
import type { SiteAtWork } from '../core/sites/site-at-work';
import { environmentOfSite } from '../core/php/environment-of-site';
import type { SiteStates } from '../core/tasks/site-state';
import type { Parts } from './parts';

/** A site that Kedge knows the database of. */
export interface AdoptedSite {
  readonly site: string;
  readonly database: string;
  readonly account: DatabaseAccount;
}

/**
 * Reads a running site's credentials from its settings, proves them, and remembers them; writes its vhost or snippet, and proves
 * its maintenance page.
 * @throws KedgeError AdoptionRefused, SettingsInvalid, DatabaseAccessDenied, DatabaseUnreachable, VhostUnfit
 */
export async function adoptSite(
  parts: Pick<Parts, 'locks' | 'resolveTarget' | 'siteAtWork' | 'states'>,
  site: string,
  operation: Operation,
): Promise<AdoptedSite> {
  const { states } = parts;
  const atWork = parts.siteAtWork(await parts.resolveTarget(site));
  const { location, webServer } = atWork;
  const { settings, account } = await proveSite(atWork, await databasesOfOthers(states, site), operation);
  // In turn with tasks of the site, and with the sweeper: neither drops a database that is adopted at this moment.
  await parts.locks.hold(site, operation, async () => {
    const known = await states.find(site);
    const same = known?.current.database === settings.database && known.current.account.user === account.user;
    await states.save({
      version: 1,
      site,
      current: {
        database: settings.database,
        account: { user: account.user, hosts: [...account.hosts] },
        password: settings.password,
        address: settings.address,
        madeByKedge: same ? known.current.madeByKedge : false,
      },
      kept: known?.kept ?? [],
    });
    await webServer.writeVhost(location, operation);
  });
  return { site, database: settings.database, account };
}

/** What Kedge knows to be the databases of other sites, and whose. */
export async function databasesOfOthers(states: Pick<SiteStates, 'all'>, site: string): Promise<Map<string, string>> {
  const others = (await states.all()).filter((state) => state.site !== site);
  return new Map(others.map((state) => [state.current.database, state.site]));
}

/** Proves what the settings of a site say, as adopting it does, and remembers nothing. @throws KedgeError as {@link adoptSite} */
export async function proveSite(
  { folder, kind, location, webServer, databaseServer }: SiteAtWork,
  claimedDatabases: ReadonlyMap<string, string>,
  operation: Operation,
): Promise<Adoption> {
  const server = await databaseServer(operation.signal);
  const environmentOf = () => environmentOfSite(webServer, location, operation);
  return proveAdoption({ folder, kind, server, claimedDatabases, environmentOf, operation });
}
