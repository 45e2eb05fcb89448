import type { Compression } from '../../contract/tasks';
import type { PackedRecord } from '../../contract/backup-record';
import type { SiteRoot } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';

export interface PackRequest {
  /** Host of the site. */
  readonly host: Host;
  /** The folders of the site, the site folder first. */
  readonly roots: readonly SiteRoot[];
  /** Patterns left out: relative to the site folder, or absolute and below another folder of the site. */
  readonly exclude: readonly string[];
  /** The dump, a file on the master. */
  readonly dump: string;
  readonly record: PackedRecord;
  /** Folder for the files packed beside the site (the record); worker's own, made before. */
  readonly scratch: string;
  /** File the archive is written to, on the master. Replaced when it exists; fsynced. */
  readonly destination: string;
  readonly compression: Compression;
}

export interface PackResult {
  readonly bytes: number;
  /** Files that changed or vanished while they were read. */
  readonly warnings: readonly string[];
}

/** What reading an archive back found. */
export interface Inspection {
  readonly bytes: number;
  readonly sha256: string;
  readonly members: number;
  /** What each folder of the site takes unpacked, the site folder first; the dump and the record count there. */
  readonly roots: readonly { readonly name: string; readonly bytes: number; readonly members: number }[];
  /** Null when there is no `./database.sql`. */
  readonly dump: DumpInspection | null;
  /** `./.kedge/backup.json`, when the archive holds one that can be read. */
  readonly record: PackedRecord | null;
  /** Links that lead out of the folders of the site, the first hundred. Harmless to unpacking; nothing may pass through a link. */
  readonly leavingLinks: readonly string[];
}

export interface DumpInspection {
  readonly bytes: number;
  /** The dump ends with the line dump programs write last. */
  readonly complete: boolean;
  readonly tables: readonly string[];
  /** Collations and charsets the dump names. */
  readonly collations: readonly string[];
  readonly charsets: readonly string[];
  /** First statements an ordinary account cannot run (`SET @@GLOBAL.GTID_PURGED`, `SQL_LOG_BIN`). */
  readonly refused: readonly string[];
  /** It creates functions or triggers, which a server with binary logging may keep to accounts with SUPER. */
  readonly createsFunctions: boolean;
}

/** Functions of this folder: `pack`, `inspect`, `extract`. */
export interface Archives {
  /** GNU tar packs, confined, straight into the compressor. @throws KedgeError ProgramFailed, FileRefused for unreadable files, DiskFull */
  pack(request: PackRequest, operation: Operation): Promise<PackResult>;
  /**
   * Reads the whole archive: checksum, every member judged by npm's tar, the dump looked through. Memory stays flat.
   * @throws KedgeError ArchiveInvalid (empty, cut short, corrupt, no archive), ArchiveRefused (a member no site backup holds)
   */
  inspect(path: string, operation: Operation): Promise<Inspection>;
  /**
   * Unpacks an archive that `inspect` accepted in this task: each folder of the site into that of its name among `folders`
   * (empty, on `host`), owners, modes, times, links and ACLs kept. `expectedSha256` is checked while reading; a different file is ArchiveInvalid.
   */
  extract(
    path: string,
    expectedSha256: string,
    host: Host,
    folders: readonly SiteRoot[],
    operation: Operation,
  ): Promise<{ bytes: number }>;
  /** Writes `./database.sql` of the archive to a file on the master, fsynced. */
  extractDump(path: string, destination: string, operation: Operation): Promise<{ bytes: number }>;
}
