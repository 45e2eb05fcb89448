import type { BackupRecord } from '../../contract/backup-record';

/** A file in the backups folder that is no sound backup, shown as what it is. */
export interface Stray {
  readonly file: string;
  /** `archive without record`, `record without archive`, `record cannot be read: …`, `foreign file`; of a newer Kedge, what says so */
  readonly problem: string;
}

export interface Listing {
  /** Newest first, by publication. */
  readonly backups: readonly BackupRecord[];
  readonly strays: readonly Stray[];
}

/** The backups of the master: `<backups>/<site>/`. Records are the catalogue, and are published last. */
export interface Catalog {
  /** Folder of a site's backups, made 0700 when missing. */
  folderOf(site: string): Promise<string>;
  /** An id for a backup made at this time; `_1` … where a file of that name exists. */
  nextId(site: string, created: Date): Promise<string>;
  /** Gives the archive its final name, then publishes the record. Idempotent. */
  publish(record: BackupRecord, temporaryArchive: string): Promise<void>;
  /** Changes the record of a backup, which is there. Nothing happens when it is gone. @throws KedgeError RecordInvalid, NewerVersion */
  amend(site: string, id: string, change: (record: BackupRecord) => BackupRecord): Promise<void>;
  list(site: string): Promise<Listing>;
  /** @throws KedgeError BackupUnknown, RecordInvalid, NewerVersion */
  get(site: string, id: string): Promise<BackupRecord>;
  pathOf(record: BackupRecord): string;
  /**
   * In two steps, so that neither record nor archive is ever left alone: what was cut off is no backup any more, and is gone on with
   * by the next call, or the sweep. Nothing happens when it is gone. @throws KedgeError RecordInvalid, NewerVersion
   */
  delete(site: string, id: string): Promise<void>;
}
