import { z } from 'zod';
import type { DocumentKind } from './documents-on-disk';
import { BACKUP_ID, SAFETY_TRIGGER, UNPROVEN } from './names';
import { siteRootSchema, siteUriSchema } from './target';

export const backupIdSchema = z.string().regex(BACKUP_ID, 'a backup id such as example.com-20261124.031502');

/** What a visitor sees of a site, little enough to stay the same from request to request. */
export const contentMarkSchema = z.strictObject({ status: z.int(), title: z.string().nullable() });
export type ContentMark = z.infer<typeof contentMarkSchema>;

/** Largest record that is written or read; one of 300,000 tables with long names has 27 MB. */
export const MAXIMUM_RECORD_BYTES = 32 * 1024 * 1024;
const MAXIMUM_ROOTS = 1000;
/** Larger ones nobody reads by eye. */
const INDENTED_BYTES = 1024 * 1024;

export interface TableSummary {
  readonly name: string;
  /** Rows written to the dump. */
  readonly rows: number;
}

/**
 * A list that may be as long as a record holds, of which the first wrong element is the only complaint: one for each of
 * 300,000 kept the worker busy for 20 seconds and took a gigabyte of memory.
 */
function longList<T>(isElement: (value: unknown) => value is T, of: string) {
  return z.custom<T[]>((value) => Array.isArray(value) && value.every(isElement), `is no list of ${of}`);
}

const texts = longList((value): value is string => typeof value === 'string', 'texts');
const tables = longList(isTableSummary, 'tables with the number of their rows');

const roots = z
  .custom<unknown[]>((value) => Array.isArray(value) && value.length <= MAXIMUM_ROOTS, 'is no list of folders')
  .pipe(z.array(siteRootSchema));

function isTableSummary(value: unknown): value is TableSummary {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 2) return false;
  const { name, rows } = value as Partial<TableSummary>;
  return typeof name === 'string' && Number.isSafeInteger(rows) && Number(rows) >= 0;
}

export const databaseSummarySchema = z.strictObject({
  charset: z.string(),
  collation: z.string(),
  serverVersion: z.string(),
  tables,
  views: texts,
  /** Events that were enabled; a restore switches them on again after the switch. */
  enabledEvents: texts,
  /** Names of whatever else the dump makes. Absent in records of a Kedge that did not note it. */
  sequences: texts.optional(),
  triggers: texts.optional(),
  functions: texts.optional(),
  procedures: texts.optional(),
  packages: texts.optional(),
  packageBodies: texts.optional(),
  events: texts.optional(),
});
export type DatabaseSummary = z.infer<typeof databaseSummarySchema>;

/** What is known before packing: member `./.kedge/backup.json` of the archive. */
export const packedRecordSchema = z.strictObject({
  schema: z.literal(1),
  id: backupIdSchema,
  site: siteUriSchema,
  kind: z.string(),
  /** The folders it holds and where they were, the site folder first. */
  roots: roots.default([]),
  description: z.string(),
  /** `request` or `restore` (a safety backup). */
  trigger: z.string(),
  who: z.string(),
  task: z.string(),
  /** ISO 8601, UTC. */
  created: z.iso.datetime(),
  /** Bytes of the dump inside the archive. */
  dumpBytes: z.int().nonnegative(),
  database: databaseSummarySchema,
  codeVersion: z.string().nullable(),
  contentMark: contentMarkSchema.nullable(),
});
export type PackedRecord = z.infer<typeof packedRecordSchema>;

const ofSchema1 = { name: 'record', key: 'schema', version: 1 } as const;
/** Records in archives. */
export const PACKED_RECORD: DocumentKind<PackedRecord> = { ...ofSchema1, schema: packedRecordSchema };

/** The record beside the archive: `<id>.json`. The records are the catalogue. */
export const backupRecordSchema = packedRecordSchema.extend({
  /** File name of the archive in the same folder. */
  archive: z.string(),
  /** Bytes of the archive. */
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Members of the archive. */
  members: z.int().positive(),
  /**
   * When it came into the catalogue, ISO 8601, UTC: later than all that were published before it, whatever the clock said.
   * Absent in records of a Kedge that did not note it.
   */
  published: z.iso.datetime().optional(),
  warnings: texts,
  /** Safety backups alone: what the site had and could not be read, a sentence each. Absent where all of it is held. */
  incomplete: texts.optional(),
  /** What was put aside for that, untouched, once the site had been restored; deleting the backup lets go of it. */
  kept: z
    .strictObject({
      database: z
        .strictObject({
          /** Name of the database server in the configuration. */
          server: z.string(),
          name: z.string(),
          /** Locked. */
          account: z.strictObject({ user: z.string(), hosts: z.array(z.string()) }),
          /** What Kedge did not make it never drops. */
          madeByKedge: z.boolean(),
        })
        .optional(),
      /** Folders of the site, on the master. */
      folders: z.array(siteRootSchema).optional(),
    })
    .optional(),
});
export type KeptOriginals = NonNullable<z.infer<typeof backupRecordSchema>['kept']>;
export type BackupRecord = z.infer<typeof backupRecordSchema>;

/** Records beside archives. */
export const BACKUP_RECORD: DocumentKind<BackupRecord> = { ...ofSchema1, schema: backupRecordSchema };

/** The server that was to take its definitions back did not, when it was made. Its first warning says why. */
export function isUnproven({ warnings }: Pick<BackupRecord, 'warnings'>): boolean {
  return warnings[0]?.startsWith(UNPROVEN) === true;
}

/** The backup that a restore made of the state it was to replace, which nobody asked for. */
export function isSafetyBackup({ trigger }: Pick<PackedRecord, 'trigger'>): boolean {
  return trigger === SAFETY_TRIGGER;
}

/** A record as a file holds it. */
export function recordText(record: PackedRecord | BackupRecord): string {
  const text = JSON.stringify(record);
  return `${text.length > INDENTED_BYTES ? text : JSON.stringify(record, null, 2)}\n`;
}
