import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import type { DatabaseServer, DumpOptions, DumpResult, UnreadableTable } from './database-server';
import { DefinitionsDigest } from './definitions-digest';
import { unreadableTablesOf } from './unreadable-tables';

/** A dump of what there was to read. */
export interface PartialDump extends DumpResult {
  /** False where the server has no such database. */
  readonly exists: boolean;
  /** What the dump does without. */
  readonly unreadable: readonly UnreadableTable[];
}

/** What a database is taken to be that is gone. Every server knows them. */
const DEFAULTS = { charset: 'utf8mb4', collation: 'utf8mb4_general_ci' };

/**
 * Dumps a database as far as it can be read: without the tables that cannot, which it tells, and with nothing where there is
 * no such database. `open` gives an empty place for each attempt: a dump program finds out on its way what it cannot read, all
 * of it in one run, and a dump that is whole but for that needs another.
 * @throws KedgeError whatever else is in the way of a dump
 */
export async function dumpWhatCanBeRead(
  server: DatabaseServer,
  database: string,
  open: () => Promise<Writable>,
  operation: Operation,
  { dumpedBefore }: Pick<DumpOptions, 'dumpedBefore'> = {},
): Promise<PartialDump> {
  const unreadable = new Map<string, UnreadableTable>();
  for (;;) {
    try {
      const without = [...unreadable.keys()];
      const dump = await server.dump(database, await open(), operation, {
        without,
        ...(dumpedBefore === undefined ? {} : { dumpedBefore }),
      });
      return { ...dump, exists: true, unreadable: [...unreadable.values()] };
    } catch (error) {
      if (isKedgeError(error) && error.code === 'DatabaseUnknown')
        return await dumpNothing(server, `the database ${database} did not exist`, await open());
      const found = unreadableTablesOf(error).filter(({ name }) => !unreadable.has(name));
      if (found.length === 0) throw error;
      for (const table of found) unreadable.set(table.name, table);
    }
  }
}

/** A dump of an empty database, with the reason in it: it can be imported, and its last line says that it is whole. */
export async function dumpNothing(server: DatabaseServer, why: string, output: Writable): Promise<PartialDump> {
  const text = `-- Empty when this was written: ${why.replace(/[\r\n]/g, '?')}.\n\n-- Dump completed\n`;
  await pipeline([text], output);
  const { version } = await server.facts();
  const summary = { ...DEFAULTS, serverVersion: version, tables: [], views: [], enabledEvents: [] };
  const definitions = new DefinitionsDigest().digest();
  return {
    bytes: Buffer.byteLength(text),
    summary,
    definitions,
    elsewhere: [],
    repeated: [],
    exists: false,
    unreadable: [],
  };
}
