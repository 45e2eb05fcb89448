import type { Compression } from '../../contract/tasks';
import type { PackedRecord } from '../../contract/backup-record';
import type { Owner, SiteRoot } from '../../contract/target';
import type { NameElsewhere } from '../databases/definition-names';
import type { DumpContents } from '../databases/dump-census';
import type { TableKeys } from '../databases/forced-keys';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';

/** A folder of a site that is packed: as its host has it, by which it is named, and to which patterns are relative. */
export interface PackedFolder extends SiteRoot {
  /** Where it lies on the master. Default: in its own place. */
  readonly from?: string;
}

export interface PackRequest {
  /** The folders of the site, the site folder first. */
  readonly roots: readonly PackedFolder[];
  /** Patterns left out: relative to the site folder, or absolute and below another folder of the site. */
  readonly exclude: readonly string[];
  /** The dump, a file on the master. */
  readonly dump: string;
  readonly record: PackedRecord;
  /** Folder for the files packed beside the site (the record); worker's own, made before. */
  readonly scratch: string;
  /** Go on behind errors of the disk too: what cannot be read is told, and kept elsewhere. Default false. */
  readonly saveWhatCanBe?: boolean;
  /** File the archive is written to, on the master. Replaced when it exists; fsynced. */
  readonly destination: string;
  readonly compression: Compression;
}

export interface PackResult {
  readonly bytes: number;
  /** What is not as it was or not in there at all: files that changed or vanished while they were read, pipes. */
  readonly warnings: readonly string[];
  /** Those of them about content that is there and could not be packed, by the name of the folder of the site. */
  readonly notSaved: Readonly<Record<string, readonly string[]>>;
}

/**
 * Where an archive comes from. `catalogue`: Kedge packed it and has a record of its own beside it; owners are what it
 * says. `foreign`: somebody brought it; all it holds becomes the site owner's.
 */
export type Origin =
  | {
      readonly from: 'catalogue';
      /** The owner of the site it is unpacked for. Null where nothing will be unpacked. */
      readonly owner: Owner | null;
    }
  | { readonly from: 'foreign'; readonly owner: Owner };

/** What two readings of one archive have to agree on. */
export interface Judged {
  readonly sha256: string;
  /** Members of the archive; headers that only describe the next one do not count. */
  readonly members: number;
  /** Bytes of all files in it. */
  readonly contentBytes: number;
}

/** What one account and group will have of what is unpacked. */
export interface OwnedContent {
  readonly uid: number;
  readonly gid: number;
  /** In whole blocks of 4 KiB. */
  readonly bytes: number;
  readonly files: number;
}

/** What reading an archive back found. */
export interface Inspection extends Judged {
  /** Of the archive. */
  readonly bytes: number;
  /** What each folder of the site takes unpacked, the site folder first; the dump and the record count there. */
  readonly roots: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly members: number;
    readonly owners: readonly OwnedContent[];
  }[];
  /** Null when there is no `./database.sql`. */
  readonly dump: DumpInspection | null;
  /** `./.kedge/backup.json`, when the archive holds one that can be read. */
  readonly record: PackedRecord | null;
  /** Links that lead out of the folders of the site, the first hundred. Harmless to unpacking; nothing may pass through a link. */
  readonly leavingLinks: readonly string[];
  /** What will not come back as it stands in the archive: a sentence each. */
  readonly warnings: readonly string[];
  /** Those of them that say what will not come back at all. */
  readonly leftOut: readonly string[];
}

export interface ExtractRequest {
  readonly path: string;
  readonly origin: Origin;
  /** What `inspect` found. Members and bytes are null where a task began before they were kept. */
  readonly judged: { readonly [Key in keyof Judged]: Key extends 'sha256' ? string : number | null };
  /** Host of the site. */
  readonly host: Host;
  /** Empty folders on it: each folder of the site is unpacked into that of its name. */
  readonly folders: readonly SiteRoot[];
  /** File on the master that `./database.sql` is written to. Replaced when it exists; fsynced. */
  readonly dump: string;
}

export interface DumpInspection {
  readonly bytes: number;
  /** The dump ends with the line dump programs write last. */
  readonly complete: boolean;
  readonly contents: DumpContents;
  /** The same for two dumps that define the same under the same settings. */
  readonly definitions: string;
  /** Collations and charsets the dump names. */
  readonly collations: readonly string[];
  readonly charsets: readonly string[];
  /** Names of its views and sequences, which share their names with tables. */
  readonly views: readonly string[];
  /** Storage engines its tables name, in lower case. */
  readonly engines: readonly string[];
  /** Types of its columns that not every server has, in lower case. */
  readonly types: readonly string[];
  /** Parsers of its full-text indexes that are plugins, in lower case. */
  readonly parsers: readonly string[];
  /** It has tables that are to be encrypted. */
  readonly encrypts: boolean;
  /** It brings the history of system-versioned tables, with the times at which rows begin and end. */
  readonly holdsHistory: boolean;
  /** The first statements that no dump may hold, each with its place. */
  readonly refused: readonly string[];
  /** The longest of the values that are too long for every server, in bytes, and its table; null without any. */
  readonly longestValue: { readonly table: string | undefined; readonly bytes: number } | null;
  /** Tables without a primary key, the first thousand, with the keys they have: some servers take none. */
  readonly withoutPrimaryKey: readonly (TableKeys & { readonly table: string })[];
  /** `table.column` of text whose bytes are no letters of its character set: no server takes it as it is. */
  readonly illFormed: readonly string[];
  /** It creates functions or triggers, which a server with binary logging may keep to accounts with SUPER. */
  readonly createsFunctions: boolean;
  /** Tables, keys and routines of other databases that definitions name, and by which. */
  readonly elsewhere: readonly (NameElsewhere & {
    /** `the view shared_users`. */
    readonly by: string;
    /** Who makes the definition has to have privileges on it. */
    readonly whenMade: boolean;
  })[];
}

/** Functions of this folder: `pack`, `inspect`, `extract`, `extractDefinitions`. */
export interface Archives {
  /** GNU tar packs, confined, straight into the compressor. @throws KedgeError ProgramFailed, FileRefused for unreadable files, DiskFull */
  pack(request: PackRequest, operation: Operation): Promise<PackResult>;
  /**
   * Reads the whole archive: checksum, every member judged, the dump looked through. Memory stays flat. `room` are the
   * bytes there are for what it holds: what declares to hold more is not read to its end.
   * @throws KedgeError ArchiveInvalid (empty, cut short, corrupt, no archive), ArchiveRefused (a member no site backup
   *   holds), DiskFull
   */
  inspect(path: string, origin: Origin, operation: Operation, room?: number): Promise<Inspection>;
  /**
   * Unpacks an archive that `inspect` accepted in this task, judging it once more, and looks at what lies there then:
   * owners, modes, times, links and ACLs are those of the archive, as far as its origin lets them. Bytes of the archive.
   * @throws KedgeError ArchiveInvalid when it is not what `judged` says, ArchiveRefused, DiskFull, ProgramFailed
   */
  extract(request: ExtractRequest, operation: Operation): Promise<{ bytes: number }>;
  /**
   * Writes the dump of an archive that `inspect` accepted to a file of the master, without its rows.
   * @throws KedgeError as `inspect`
   */
  extractDefinitions(
    request: { readonly path: string; readonly origin: Origin; readonly destination: string },
    operation: Operation,
  ): Promise<void>;
}
