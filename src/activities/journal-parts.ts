import { KedgeError } from '../contract/errors';
import type { DatabaseServerAddress, Target } from '../contract/target';
import type { Journal } from '../core/tasks/journal';

/** What earlier steps have written to the journal, for those that cannot do without. A missing part is a mistake of ours. */

export function sourceOf(journal: Journal): NonNullable<Journal['source']> {
  return partOf(journal, 'source', 'no backup to go back to');
}

export function stagingOf(journal: Journal): string {
  return partOf(journal, 'staging', 'nothing staged');
}

export function createdOf(journal: Journal): NonNullable<Journal['created']> {
  return partOf(journal, 'created', 'made no database');
}

/** The database of the newest attempt to import. */
export function createdDatabase(created: NonNullable<Journal['created']>): string {
  return created.databases.at(-1) ?? '';
}

/** @throws KedgeError SiteNotAdopted */
export function beforeOf(journal: Journal): NonNullable<Journal['before']> {
  if (journal.before) return journal.before;
  throw new KedgeError('SiteNotAdopted', `the database of ${journal.site} is not known`, { site: journal.site });
}

/** Where the database server finds a site that has no account yet: it sees the importing client alike. */
export function defaultHosts({ socket }: DatabaseServerAddress): string[] {
  return socket === undefined ? ['127.0.0.1', 'localhost'] : ['localhost'];
}

/** The address that settings name, and the hosts of the account: as before, or for a new site by the configuration. */
export function loginPlaceOf(journal: Journal, target: Target): { address: string; hosts: string[] } {
  if (journal.before) return { address: journal.before.address, hosts: [...journal.before.account.hosts] };
  const { socket, host = 'localhost', port } = target.database;
  const address = socket === undefined ? `${host}${port === undefined ? '' : `:${port}`}` : `localhost:${socket}`;
  return { address, hosts: defaultHosts(target.database) };
}

function partOf<Part extends 'source' | 'staging' | 'created'>(
  journal: Journal,
  part: Part,
  lack: string,
): NonNullable<Journal[Part]> {
  const found = journal[part];
  if (found !== null) return found;
  throw new KedgeError('Internal', `${journal.task} has ${lack}`, { site: journal.site });
}
