import { join } from 'node:path';
import { z } from 'zod';
import { type DatabaseSummary, databaseSummarySchema } from '../../contract/backup-record';
import type { DumpResult } from '../databases/database-server';
import type { Host } from '../hosts/host';

/** What of a dump is proved, beside it in the spool. */
const DEFINITIONS_FILE = 'definitions.json';
const definitionsSchema = z.object({
  definitions: z.string(),
  elsewhere: z.array(
    z.object({
      database: z.string(),
      object: z.string(),
      named: z.enum(['table', 'key', 'function', 'procedure', 'anything']),
    }),
  ),
});

/** Keeps in the spool what is to be known of a dump there once it is packed. */
export async function describeDump(
  master: Host,
  spool: string,
  { summary, definitions, elsewhere }: DumpResult,
): Promise<void> {
  await master.writeFile(join(spool, 'database.json'), JSON.stringify(summary), { mode: 0o600 });
  await master.writeFile(join(spool, DEFINITIONS_FILE), JSON.stringify({ definitions, elsewhere }), {
    mode: 0o600,
  });
}

/** What the record of a backup says of the dump in the spool. */
export async function summaryOf(master: Host, spool: string): Promise<DatabaseSummary> {
  return databaseSummarySchema.parse(await readJson(master, join(spool, 'database.json')));
}

/** What the dump in the spool defines; null for one of a Kedge that did not describe it. */
export async function definitionsOf(master: Host, spool: string): Promise<z.infer<typeof definitionsSchema> | null> {
  const path = join(spool, DEFINITIONS_FILE);
  if (!(await master.status(path))) return null;
  return definitionsSchema.parse(await readJson(master, path));
}

/** A line for each table, and for each name of another database. */
const DESCRIPTION_BYTES = 256 * 1024 ** 2;

async function readJson(master: Host, path: string): Promise<unknown> {
  return JSON.parse((await master.readFile(path, DESCRIPTION_BYTES)).toString('utf8'));
}
