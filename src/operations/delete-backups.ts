import type { Configuration } from '../config/schema';
import type { BackupRecord } from '../contract/backup-record';
import type { Operation } from '../core/operation';
import { letGoOfKept } from '../core/kept/let-go';
import { siteOfBackup } from './backup-id';
import { keptOriginalsParts } from './kept-originals-parts';
import type { Parts } from './parts';

/** The records of backups by their ids: all, or none. @throws KedgeError BackupUnknown */
export async function findBackups(
  { catalog }: Pick<Parts, 'catalog'>,
  ids: readonly string[],
): Promise<BackupRecord[]> {
  const records: BackupRecord[] = [];
  for (const id of ids) records.push(await catalog.get(siteOfBackup(id), id));
  return records;
}

/**
 * Deletes backups one after another: the originals that a safety backup keeps, record and archive.
 * @throws KedgeError what letting go of originals throws; that backup and those behind it stay
 */
export async function deleteBackups(
  parts: Pick<Parts, 'catalog' | 'databaseServer' | 'master' | 'states'>,
  configuration: Pick<Configuration, 'sites' | 'servers'>,
  records: readonly BackupRecord[],
  operation: Operation,
): Promise<void> {
  const originals = keptOriginalsParts(parts, configuration);
  for (const record of records) {
    await letGoOfKept(originals, record, operation);
    await parts.catalog.delete(record.site, record.id);
  }
}
