import { basename } from 'node:path';
import type { BackupRecord } from '../../contract/backup-record';
import { isSafetyBackup, isUnproven } from '../../contract/backup-record';
import { BACKUP_ID } from '../../contract/names';
import type { Host } from '../hosts/host';
import type { Catalog, Stray } from './catalog';

/** When a backup came into the catalogue; a Kedge that did not note it made one at a time, so the time it was begun says as much. */
export function publishedAt({ published, created }: BackupRecord): string {
  return published ?? created;
}

/** Newest first, for sorting. */
export function byPublication(a: BackupRecord, b: BackupRecord): number {
  return publishedAt(b).localeCompare(publishedAt(a)) || b.id.localeCompare(a.id);
}

/** The time to publish a backup at: now, and later than all there are, though the clock was set back. ISO 8601, UTC. */
export function nextPublication(backups: readonly BackupRecord[], now: Date): string {
  const newest = Math.max(0, ...backups.map((record) => new Date(publishedAt(record)).getTime()));
  return new Date(Math.max(now.getTime(), newest + 1)).toISOString();
}

/** What `latest` stands for, and why newer ones are passed over. */
export interface Latest {
  /** Null when there is none. */
  readonly record: BackupRecord | null;
  /** A sentence each. */
  readonly passedOver: readonly string[];
}

/**
 * The newest good backup of a site, by publication, that somebody or a schedule asked for. A safety backup is none: it holds
 * what a restore was to replace. Nor is one whose archive does not have the bytes that its record says, or whose definitions the
 * database server did not take back when it was made; one that was not tried is taken at its word.
 */
export async function findLatest(catalog: Catalog, master: Host, site: string): Promise<Latest> {
  const { backups, strays } = await catalog.list(site);
  const { record, passedOver } = await findNewestGood(catalog, master, backups);
  return { record, passedOver: [...unreadableSince(record, strays), ...passedOver] };
}

/** As {@link findLatest}, among records that were read, newest first; of files that are no records nothing is said. */
export async function findNewestGood(
  catalog: Catalog,
  master: Host,
  backups: readonly BackupRecord[],
): Promise<Latest> {
  const passedOver: string[] = [];
  for (const record of backups) {
    if (isSafetyBackup(record)) continue;
    const { doubt } = await lookAt(catalog, master, record);
    if (doubt === null) return { record, passedOver };
    passedOver.push(`${record.id} is passed over: ${doubt}`);
  }
  return { record: null, passedOver };
}

/** Backups that began after another, or all, and of which nobody knows more: their records cannot be read. */
function unreadableSince(record: BackupRecord | null, strays: readonly Stray[]): string[] {
  return strays
    .filter(({ file, problem }) => file.endsWith('.json') && problem !== 'record without archive')
    .map(({ file, problem }) => ({ id: basename(file, '.json'), problem }))
    .filter(({ id }) => BACKUP_ID.test(id) && (record === null || id > record.id))
    .map(({ id, problem }) => `${id} is passed over: ${problem}`);
}

/** What can be seen of a backup without reading it. */
export interface Condition {
  /** Why nobody may rely on it; null for a good one. */
  readonly doubt: string | null;
  /** Its archive is not what its record says. */
  readonly isDamaged: boolean;
}

/** Looks at the size of the archive of a backup, and at what its record says of its definitions. */
export async function lookAt(catalog: Catalog, master: Host, record: BackupRecord): Promise<Condition> {
  const bytes = (await master.status(catalog.pathOf(record)))?.bytes ?? 0;
  if (bytes !== record.bytes)
    return { doubt: `its archive has ${bytes} bytes, not ${record.bytes} as its record says`, isDamaged: true };
  const doubt = isUnproven(record)
    ? 'the database server did not take its definitions when it was made; by its id it is restored where the server does now'
    : null;
  return { doubt, isDamaged: false };
}
