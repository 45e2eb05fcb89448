import type { BackupRecord } from '../../contract/backup-record';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Catalog } from '../catalog/catalog';
import type { Operation } from '../operation';
import type { Archives, DumpInspection } from './archive';
import { checkAgainstRecord } from './restorable';

/** How reading one backup back went. */
export interface CheckedBackup {
  readonly backup: string;
  readonly site: string;
  /** Null where even the record cannot be read. */
  readonly archive: string | null;
  /** Bytes read. */
  readonly bytes: number;
  readonly problem: KedgeError | null;
  /** What was found in its dump; null where there is a problem. */
  readonly dump: DumpInspection | null;
}

/** A backup that is to be checked: its record, or why there is none to be held against. */
export interface Candidate {
  readonly backup: string;
  readonly site: string;
  readonly record: BackupRecord | null;
  readonly problem: KedgeError | null;
}

/** All backups of a site, newest first, those included whose archive or record is lost. Not what is no backup. */
export async function backupsToCheck(catalog: Catalog, site: string): Promise<Candidate[]> {
  const { backups, strays } = await catalog.list(site);
  const lost = strays
    .filter(({ problem, file }) => file.endsWith('.json') && problem !== 'foreign file')
    .map(({ file, problem }) => ({
      backup: file.slice(file.lastIndexOf('/') + 1, -'.json'.length),
      site,
      record: null,
      problem:
        problem === 'record without archive'
          ? new KedgeError('BackupDamaged', `the archive of ${file} is gone`, { site })
          : new KedgeError('RecordInvalid', `${file}: ${problem}`, { site }),
    }));
  return [...backups.map((record) => ({ backup: record.id, site, record, problem: null })), ...lost];
}

/**
 * Reads a backup back and holds it against its record: every byte, every member, the dump's end and tables. Also judges
 * the dump's statements, as a restore does; what only the server knows, such as its collations, is left to that. Changes nothing. Throws only what says nothing of the backup: the signal's reason, a missing program.
 */
export async function checkBackup(
  parts: { readonly archives: Archives; readonly catalog: Catalog },
  { backup, site, record, problem }: Candidate,
  operation: Operation,
): Promise<CheckedBackup> {
  if (record === null) return { backup, site, archive: null, bytes: 0, problem, dump: null };
  const archive = parts.catalog.pathOf(record);
  let bytes = 0;
  const counting: Operation = {
    ...operation,
    progress: (progress) => {
      bytes = progress.bytes ?? bytes;
      operation.progress(progress);
    },
  };
  try {
    const inspection = await parts.archives.inspect(archive, { from: 'catalogue', owner: null }, counting);
    checkAgainstRecord(record, inspection);
    return { backup, site, archive, bytes, problem: null, dump: inspection.dump };
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error) || !ABOUT_THE_BACKUP.has(error.code)) throw error;
    return { backup, site, archive, bytes, problem: error, dump: null };
  }
}

const ABOUT_THE_BACKUP: ReadonlySet<string> = new Set([
  ...[
    'ArchiveInvalid',
    'ArchiveRefused',
    'BackupDamaged',
    'BackupUnknown',
    'DumpIncompatible',
    'DumpInvalid',
    'FileRefused',
    'ProgramLimitReached',
  ],
]);
