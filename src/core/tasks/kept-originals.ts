import type { KeptOriginals } from '../../contract/backup-record';
import type { Target } from '../../contract/target';
import type { Catalog } from '../catalog/catalog';
import type { Journal } from './journal';

type StagedOf = Journal['staged'][number];

/** Folders of a site of which the safety backup does not hold all: as they were before, they are kept. */
export function keptFolders({ staged, notSaved }: Journal): StagedOf[] {
  return staged.filter(({ name }) => (notSaved.folders[name] ?? []).length > 0);
}

/** The safety backup does not hold all of the database: as it was before, it is kept. */
export function keepsDatabase({ notSaved }: Journal): boolean {
  return notSaved.database.length > 0;
}

/** Has the record of the safety backup name what is kept for it. Idempotent. */
export async function nameKept(
  parts: { catalogOf(target: Target): Catalog },
  { site, backup, target }: Journal,
  kept: KeptOriginals,
): Promise<void> {
  if (!backup?.published || !target) return;
  await parts.catalogOf(target).amend(site, backup.id, (record) => ({ ...record, kept: { ...record.kept, ...kept } }));
}
