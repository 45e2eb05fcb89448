import { z } from 'zod';
import { BACKUP_ID } from './names';
import { siteRootSchema, siteUriSchema } from './target';

export const backupIdSchema = z.string().regex(BACKUP_ID, 'a backup id such as example.com-20261124.031502');

/** What a visitor sees of a site, little enough to stay the same from request to request. */
export const contentMarkSchema = z.strictObject({ status: z.int(), title: z.string().nullable() });
export type ContentMark = z.infer<typeof contentMarkSchema>;

export const tableSummarySchema = z.strictObject({
  name: z.string(),
  /** Rows written to the dump. */
  rows: z.int().nonnegative(),
});
export type TableSummary = z.infer<typeof tableSummarySchema>;

export const databaseSummarySchema = z.strictObject({
  charset: z.string(),
  collation: z.string(),
  serverVersion: z.string(),
  tables: z.array(tableSummarySchema),
  views: z.array(z.string()),
  /** Events that were enabled; a restore switches them on again after the switch. */
  enabledEvents: z.array(z.string()),
});
export type DatabaseSummary = z.infer<typeof databaseSummarySchema>;

/** What is known before packing: member `./.kedge/backup.json` of the archive. */
export const packedRecordSchema = z.strictObject({
  schema: z.literal(1),
  id: backupIdSchema,
  site: siteUriSchema,
  kind: z.string(),
  /** The folders it holds and where they were, the site folder first. */
  roots: z.array(siteRootSchema).default([]),
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

/** The record beside the archive: `<id>.json`. The records are the catalogue. */
export const backupRecordSchema = packedRecordSchema.extend({
  /** File name of the archive in the same folder. */
  archive: z.string(),
  /** Bytes of the archive. */
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Members of the archive. */
  members: z.int().positive(),
  warnings: z.array(z.string()),
});
export type BackupRecord = z.infer<typeof backupRecordSchema>;
