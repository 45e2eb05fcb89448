import type { BackupRecord } from '../contract/backup-record';
import type { Stray } from '../core/catalog/catalog';
import { byPublication } from '../core/catalog/publication';
import type { Parts } from './parts';

/** The backups of sites in one list, newest first, and what lies beside them that is none. */
export async function listBackups(
  { catalog }: Pick<Parts, 'catalog'>,
  sites: readonly string[],
): Promise<{ backups: BackupRecord[]; strays: Stray[] }> {
  const backups: BackupRecord[] = [];
  const strays: Stray[] = [];
  for (const uri of sites) {
    const listing = await catalog.list(uri);
    backups.push(...listing.backups);
    strays.push(...listing.strays);
  }
  return { backups: backups.sort(byPublication), strays };
}
