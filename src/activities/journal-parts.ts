import { KedgeError } from '../contract/errors';
import type { Target } from '../contract/target';
import type { DatabaseServer } from '../core/databases/database-server';
import type { TaskContext } from '../core/recovery/give-back';
import type { SiteAtWork } from '../core/sites/site-at-work';
import type { Journal } from '../core/tasks/journal';

/** What earlier steps have written to the journal, for those that cannot do without. A missing part is a mistake of ours. */

export function sourceOf(journal: Journal): NonNullable<Journal['source']> {
  return partOf(journal, 'source', 'no backup to go back to');
}

export function stagedOf(journal: Journal): Journal['staged'] {
  if (journal.staged.length > 0) return journal.staged;
  throw new KedgeError('Internal', `${journal.task} has nothing staged`, { site: journal.site });
}

export function createdOf(journal: Journal): NonNullable<Journal['created']> {
  return partOf(journal, 'created', 'made no database');
}

/** The database of the newest attempt to import. */
export function createdDatabase(created: NonNullable<Journal['created']>): string {
  return created.databases.at(-1) ?? '';
}

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

/** The address that settings name: as before, for a new site as it was proved, or else by the configuration. */
export function loginAddressOf(journal: Journal, target: Target): string {
  if (journal.before) return journal.before.address;
  if (journal.created?.address !== undefined) return journal.created.address;
  const { socket, host = 'localhost', port } = target.database;
  return socket === undefined ? `${host}${port === undefined ? '' : `:${port}`}` : `localhost:${socket}`;
}

/** Hosts of the site's account: as before, or for a new site where the server sees the machine of its PHP. */
export async function accountHostsOf(
  { journal, site, operation }: TaskContext,
  server: DatabaseServer,
): Promise<string[]> {
  if (journal.before) return [...journal.before.account.hosts];
  const seen =
    server.from === site.host
      ? await server.clientHost()
      : await server.clientHostOf(site.host, loginAddressOf(journal, site.target), operation);
  // By the socket it is localhost; by the network, one or the other by whether the server resolves names. A new site may
  // come either way.
  return LOOPBACK.includes(seen) ? LOOPBACK : [seen];
}

/** Folders of the site may have been switched. */
export function isSwitched({ switched }: Journal): boolean {
  return switched;
}

/**
 * The site is shut for the task, and its web server is another machine, which may have opened it again: also where the task found it shut, by
 * what an earlier one left.
 */
export function isShutElsewhere({ maintenance }: Journal, { onMaster }: SiteAtWork): boolean {
  return !onMaster && maintenance !== null && maintenance.ended === null;
}

function partOf<Part extends 'source' | 'created'>(
  journal: Journal,
  part: Part,
  lack: string,
): NonNullable<Journal[Part]> {
  const found = journal[part];
  if (found !== null) return found;
  throw new KedgeError('Internal', `${journal.task} has ${lack}`, { site: journal.site });
}
