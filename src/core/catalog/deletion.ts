import { join } from 'node:path';
import { BACKUP_ID } from '../../contract/names';
import type { Host } from '../hosts/host';

/** What begins the name of the record of a backup that is being deleted. From then on it is none. */
const DELETING = '.deleting-';
const RECORD = '.json';
const ARCHIVE = /\.tar(\.(zst|gz|bz2))?$/;

/** True for the archive of a backup, however it is compressed. */
export function isArchiveOf(id: string, name: string): boolean {
  return name.replace(ARCHIVE, '') === id;
}

/** True for a file that is an archive by its name. */
export function isArchive(name: string): boolean {
  return ARCHIVE.test(name);
}

/** Ids of backups whose deletion has begun, by the names in a folder of the catalogue. */
export function halfDeleted(names: readonly string[]): string[] {
  return names
    .filter((name) => name.startsWith(DELETING) && name.endsWith(RECORD))
    .map((name) => name.slice(DELETING.length, -RECORD.length))
    .filter((id) => BACKUP_ID.test(id));
}

/**
 * Takes the record of a backup out of the catalogue, durably: whatever ends this process now, neither record nor archive is
 * left alone, for {@link finishDeletion} goes on from there.
 */
export async function beginDeletion(master: Host, folder: string, id: string): Promise<void> {
  await master.rename(join(folder, `${id}${RECORD}`), join(folder, `${DELETING}${id}${RECORD}`));
}

/** Removes the archive of a backup whose deletion has begun, then what says so. Nothing happens when it is gone. */
export async function finishDeletion(master: Host, folder: string, id: string): Promise<void> {
  const names = await master.list(folder);
  if (!halfDeleted(names).includes(id)) return;
  for (const name of names.filter((each) => isArchiveOf(id, each))) await master.removeFile(join(folder, name));
  await master.removeFile(join(folder, `${DELETING}${id}${RECORD}`));
}
