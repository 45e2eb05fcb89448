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
  const passedOver: string[] = [];
  for (const record of backups) {
    if (isSafetyBackup(record)) continue;
    const why = await whyNotGood(catalog, master, record);
    if (why === null) return { record, passedOver: [...unreadableSince(record, strays), ...passedOver] };
    passedOver.push(`${record.id} is passed over: ${why}`);
  }
  return { record: null, passedOver: [...unreadableSince(null, strays), ...passedOver] };
}

/** Backups that began after another, or all, and of which nobody knows more: their records cannot be read. */
function unreadableSince(record: BackupRecord | null, strays: readonly Stray[]): string[] {
  return strays
    .filter(({ file, problem }) => file.endsWith('.json') && problem !== 'record without archive')
    .map(({ file, problem }) => ({ id: basename(file, '.json'), problem }))
    .filter(({ id }) => BACKUP_ID.test(id) && (record === null || id > record.id))
    .map(({ id, problem }) => `${id} is passed over: ${problem}`);
}

/** Why nobody may rely on a backup, by what can be seen without reading it; null for a good one. */
export async function whyNotGood(catalog: Catalog, master: Host, record: BackupRecord): Promise<string | null> {
  const damage = await damageOf(catalog, master, record);
  if (damage !== null || !isUnproven(record)) return damage;
  return `the database server did not take its definitions when it was made; by its id it is restored where the server does now`;
}

/** What is wrong with the archive of a backup, by its size alone; null where nothing is. */
export async function damageOf(catalog: Catalog, master: Host, record: BackupRecord): Promise<string | null> {
  const bytes = (await master.status(catalog.pathOf(record)))?.bytes ?? 0;
  return bytes === record.bytes ? null : `its archive has ${bytes} bytes, not ${record.bytes} as its record says`;
}
