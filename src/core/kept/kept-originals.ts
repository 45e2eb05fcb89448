import type { BackupRecord, KeptOriginals } from '../../contract/backup-record';
import type { Target } from '../../contract/target';
import type { Catalog } from '../catalog/catalog';
import type { DatabaseServer } from '../databases/database-server';
import type { Journal } from '../tasks/journal';

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

/** What a safety backup keeps of the site before, as it is now. */
export interface KeptOfBackup {
  /** Id of the safety backup. */
  readonly backup: string;
  /** When its site was saved, ISO 8601. */
  readonly since: string;
  /** Null where its database is not kept. */
  readonly database: {
    readonly name: string;
    readonly madeByKedge: boolean;
    /** Data and indexes as the server estimates them; null where it is there no more, or on another server. */
    readonly bytes: number | null;
  } | null;
  readonly folders: readonly string[];
}

/** What the safety backups among these keep. `server` is null where it cannot be asked. */
export async function keptOfBackups(
  records: readonly BackupRecord[],
  server: DatabaseServer | null,
): Promise<KeptOfBackup[]> {
  const found: KeptOfBackup[] = [];
  for (const { id, created, kept } of records) {
    if (kept === undefined) continue;
    const { database, folders = [] } = kept;
    const on = database?.server === server?.name ? server : null;
    found.push({
      backup: id,
      since: created,
      database: database
        ? {
            name: database.name,
            madeByKedge: database.madeByKedge,
            bytes: on && (await on.databaseExists(database.name)) ? (await on.describe(database.name)).bytes : null,
          }
        : null,
      folders: folders.map(({ path }) => path),
    });
  }
  return found;
}

/** Has the record of a safety backup name no longer what was let go. Idempotent. */
export async function forgetKept(catalog: Catalog, site: string, backup: string): Promise<void> {
  await catalog.amend(site, backup, ({ kept: _gone, ...record }) => record);
}

/** Has no record of a site name a kept database that was let go. Idempotent. */
export async function forgetKeptDatabase(catalog: Catalog, site: string, database: string): Promise<void> {
  for (const { id, kept } of (await catalog.list(site)).backups) {
    if (kept?.database?.name !== database) continue;
    if (kept.folders === undefined) await forgetKept(catalog, site, id);
    else await catalog.amend(site, id, (record) => ({ ...record, kept: { folders: kept.folders } }));
  }
}
