import type { ActivityDependencies } from '../../src/activities/dependencies';
import type { DatabaseServer } from '../../src/core/databases/database-server';
import type { SiteAtWork } from '../../src/core/sites/site-at-work';
import { liveFolder } from '../../src/core/sites/site-folder';
import type { WebServer } from '../../src/core/web/web-server';

/** The parts of a worker, with something of each site replaced. */
export function changingSites(
  real: ActivityDependencies,
  change: (site: SiteAtWork) => Partial<SiteAtWork>,
): ActivityDependencies {
  return {
    ...real,
    siteAtWork: (target) => {
      const site = real.siteAtWork(target);
      const changes = change(site);
      // Its folders lie on the host that is put in the place of its own.
      const folder = changes.host === undefined ? site.folder : liveFolder(changes.host, site.location);
      return { ...site, folder, ...changes };
    },
  };
}

/** The same for the database server of each site. */
export function changingDatabaseServers(
  real: ActivityDependencies,
  change: (server: DatabaseServer) => DatabaseServer,
): ActivityDependencies {
  return changingSites(real, (site) => ({
    databaseServer: async (...asked) => change(await site.databaseServer(...asked)),
  }));
}

/** The same for the answer to the probe of each site. */
export function answeringProbes(
  real: ActivityDependencies,
  answer: (webServer: WebServer, ...asked: Parameters<WebServer['probe']>) => ReturnType<WebServer['probe']>,
): ActivityDependencies {
  return changingSites(real, ({ webServer }) => ({
    webServer: new Proxy(webServer, {
      get: (server, name) => {
        if (name === 'probe')
          return (...asked: Parameters<WebServer['probe']>): ReturnType<WebServer['probe']> => answer(server, ...asked);
        const value = Reflect.get(server, name) as unknown;
        return typeof value === 'function' ? (value.bind(server) as unknown) : value;
      },
    }),
  }));
}
