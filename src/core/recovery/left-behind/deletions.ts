import { join } from 'node:path';
import { finishDeletion, halfDeleted } from '../../catalog/deletion';
import type { Leftover, SweepParts } from './leftover';

/** Backups whose deletion was cut off. */
export async function findDeletions({ master, folders }: SweepParts): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const site of await master.list(folders.backups)) {
    const folder = join(folders.backups, site);
    for (const id of halfDeleted(await master.list(folder)))
      found.push({ what: `the deleted backup ${id}`, task: null, remove: () => finishDeletion(master, folder, id) });
  }
  return found;
}
