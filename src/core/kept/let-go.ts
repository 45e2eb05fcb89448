import { dirname } from 'node:path';
import type { BackupRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import type { DatabaseServer } from '../databases/database-server';
import { removeEmptyFolder } from '../hosts/empty-folder';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { Claims } from '../recovery/leftovers';
import type { SiteStates } from '../tasks/site-state';

/** What kept originals are removed through. */
export interface LetGoParts {
  readonly master: Host;
  readonly states: SiteStates;
  /** By the name in the configuration; null for one that it does not name. */
  databaseServer(name: string): Promise<DatabaseServer> | null;
  /** Folders that sites live in. */
  readonly roots: readonly string[];
}

/** `<somewhere>/.kedge/<token>.previous/<name of the folder>`: where a restore puts the folder of before, and nothing else lies. */
const PREVIOUS = /\/\.kedge\/[a-z0-9]{10}\.previous\/[a-z0-9][a-z0-9-]{0,62}$/;

/** What a backup keeps besides its archive, in words. */
export function describeKept({ kept }: Pick<BackupRecord, 'kept'>): string[] {
  const { database, folders = [] } = kept ?? {};
  const ofDatabase = database
    ? [
        `the database ${database.name} of ${database.server}${database.madeByKedge ? '' : ', which Kedge did not make and which stays'}`,
      ]
    : [];
  return [...ofDatabase, ...folders.map(({ path }) => `the folder ${path}`)];
}

/**
 * Removes the originals that a safety backup keeps, as its record names them; what Kedge has not made stays. Idempotent.
 * @throws KedgeError FileRefused for a folder that no restore put aside; DatabaseRefused for a database that a site has come to
 *   use; ConfigurationInvalid for a database server that is not configured; the backup is as before
 */
export async function letGoOfKept(parts: LetGoParts, record: BackupRecord, operation: Operation): Promise<void> {
  const { database, folders = [] } = record.kept ?? {};
  const context = { site: record.site, state: `the backup ${record.id} stays` };
  for (const { path } of folders) {
    if (PREVIOUS.test(path) && !parts.roots.includes(path)) continue;
    throw new KedgeError('FileRefused', `${path}, which ${record.id} names, was put aside by no restore`, context);
  }
  if (database?.madeByKedge) {
    const opened = parts.databaseServer(database.server);
    if (!opened)
      throw new KedgeError('ConfigurationInvalid', `no database server ${database.server} is configured`, {
        ...context,
        hint: `Drop the database ${database.name} there by hand, and the account ${database.account.user}; or name the server again.`,
      });
    const { states, unreadable } = await parts.states.readable();
    const claims = new Claims(states, []);
    if (unreadable.size > 0 || claims.hasDatabase(database.name) || claims.hasAccount(database.account))
      throw new KedgeError('DatabaseRefused', `the database ${database.name} may be in use by a site`, {
        ...context,
        hint: 'See `kedge sites`: let the site use another database first.',
      });
    const server = await opened;
    await server.lockAccount(database.account);
    await server.dropDatabase(database.name);
    await server.dropAccount(database.account);
  }
  for (const { path } of folders) {
    await parts.master.removeTree(path, operation);
    await removeEmptyFolder(parts.master, dirname(path), operation);
  }
}
