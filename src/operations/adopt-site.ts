import type { DatabaseAccount } from '../core/databases/database-server';
import type { Operation } from '../core/operation';
import { proveAdoption } from '../core/sites/adoption';
import { environmentOfSite } from '../core/php/environment-of-site';
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
  const { location, folder, kind, webServer, databaseServer } = parts.siteAtWork(await parts.resolveTarget(site));
  const claimed = new Map<string, string>();
  for (const state of await states.all()) if (state.site !== site) claimed.set(state.current.database, state.site);
  const { settings, account } = await proveAdoption({
    folder,
    kind,
    server: await databaseServer(operation.signal),
    claimedDatabases: claimed,
    environmentOf: () => environmentOfSite(webServer, location, operation),
    operation,
  });
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
