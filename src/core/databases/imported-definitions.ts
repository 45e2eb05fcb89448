import { z } from 'zod';
import { monotonicMs } from '../clock';
import type { AdminConnection } from './admin-connection';
import { quoteIdentifier } from './identifiers';
import { isConnectionError } from './sql-errors';
import { nameOf, readSql } from './sql-tokens';
import { isColumn, itemsOf } from './table-definition';

/** So long definitions are asked for, ms. */
const ALL_TABLES_MS = 10_000;
/** Characters of a line that is named. */
const SHOWN = 100;

const shown = z.object({ 'Create Table': z.string().optional() });

/**
 * What the tables of a database do not have of the definitions that were sent: `posts: KEY slug (slug)`, one text a line. Between servers of
 * different versions, which write the same in other words, only columns by name.
 * @throws KedgeError as statements of the admin connection do
 */
export async function lostOfDefinitions(
  admin: AdminConnection,
  database: string,
  definitions: ReadonlyMap<string, string>,
  { sameVersion }: { sameVersion: boolean },
): Promise<string[]> {
  const read = sameVersion ? linesOf : columnsOf;
  const begun = monotonicMs();
  return admin.inDatabase(database, { what: `reading the definitions of ${database}` }, async (rows) => {
    const lost: string[] = [];
    for (const [table, sent] of definitions) {
      if (monotonicMs() - begun > ALL_TABLES_MS) break;
      const statement = `SHOW CREATE TABLE ${quoteIdentifier(table)}`;
      // Partitions by time are shown in the zone of the session; a dump has UTC.
      const [row] = await rows(`/*M!100100 SET STATEMENT time_zone = '+00:00' FOR */ ${statement}`, shown).catch(
        (error: unknown) => {
          if (isConnectionError(error)) throw error;
          return [];
        },
      );
      const held = row?.['Create Table'];
      if (held === undefined) continue;
      const there = new Set(read(held, database));
      const lacking = read(sent, database).filter((line) => !there.has(line));
      if (lacking.length > 0) lost.push(...lacking.map((line) => `${table}: ${line.slice(0, SHOWN)}`));
    }
    return lost;
  });
}

/** A definition as its lines, in any order: without commas, counters, the name of the database, and how many partitions its history has so far. */
function linesOf(statement: string, database: string): string[] {
  return statement
    .replace(/(\) ENGINE=[^\n]{0,200}?) AUTO_INCREMENT=\d+/, '$1')
    .replaceAll(`${quoteIdentifier(database)}.`, '')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().replace(/,$/, ''))
    .filter((line) => line !== '' && !/^PARTITIONS \d+$/.test(line) && !line.includes('\uFFFD'));
}

function columnsOf(statement: string): string[] {
  return itemsOf(readSql(Buffer.from(statement, 'utf8').toString('latin1')).tokens)
    .items.filter(isColumn)
    .map(([name]) => `the column ${name ? nameOf(name) : ''}`);
}
