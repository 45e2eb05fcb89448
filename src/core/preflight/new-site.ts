import { dirname } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { rootsOf } from '../../contract/target';
import type { Operation } from '../operation';
import type { SiteAtWork } from '../sites/site-at-work';
import type { PreflightParts } from './parts';

/** A site is deployed where there is none: neither files nor a database that would be lost. */
export async function checkNewSite(
  { states }: Pick<PreflightParts, 'states'>,
  { uri, location, host, webServer, databaseServer }: SiteAtWork,
  operation: Operation,
): Promise<void> {
  const exists = (what: string): KedgeError =>
    new KedgeError('SiteFolderRefused', `${uri} exists already: ${what}`, {
      site: uri,
      state: 'the site is unchanged',
      hint: 'To go back to a backup use `kedge restore`; to deploy anew move folder and database of the site away first.',
    });
  for (const { path } of rootsOf(location)) {
    const status = await host.status(path);
    if (status && (status.type !== 'folder' || (await host.list(path)).length > 0)) throw exists(path);
    if ((await host.status(dirname(path)))?.type !== 'folder') {
      throw new KedgeError('SiteFolderRefused', `the folder above ${path} on ${host.name} does not exist`, {
        site: uri,
        server: host.name,
        state: 'nothing was changed',
        hint: `Make ${dirname(path)}, owned by root.`,
      });
    }
  }
  const state = await states.find(uri);
  const server = await databaseServer(operation.signal);
  if (state && (await server.databaseExists(state.current.database)))
    throw exists(`its database ${state.current.database}`);
  if (location.vhost !== 'none') await webServer.test(operation);
}
