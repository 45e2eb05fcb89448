import { z } from 'zod';
import { findingsOf } from '../findings';
import type { Operation } from '../operation';
import type { AdminConnection } from './admin-connection';
import { quoteIdentifier, quoteLiteral } from './identifiers';

/** So many a server shows of a FLOAT. What is shown with fewer is taken for exact where nobody can tell. */
const DIGITS_SHOWN = 6;

const sequenceRow = z.object({ next: z.string(), round: z.coerce.number() });
const columnRow = z.object({ tableName: z.string(), name: z.string(), shown: z.string() });

/**
 * What dump programs leave out or round, as statements to stand at the end of a dump: how often a sequence has begun anew, and defaults of
 * FLOAT, which servers show with six digits. Empty for nearly all databases.
 */
export async function supplementOf(
  admin: AdminConnection,
  database: string,
  sequences: readonly string[],
  operation: Operation,
): Promise<string[]> {
  const defaults = await floatDefaultsOf(admin, database);
  const unknown = findingsOf(
    operation.log,
    `defaults of FLOAT in ${database} of which the dump has six digits, and the server may have more`,
    defaults.unknown,
  );
  if (unknown !== null) operation.log.warn(unknown);
  return [...(await roundsOf(admin, database, sequences)), ...defaults.statements];
}

async function roundsOf(admin: AdminConnection, database: string, sequences: readonly string[]): Promise<string[]> {
  const statements: string[] = [];
  for (const sequence of sequences) {
    const name = quoteIdentifier(sequence);
    const [row] = await admin.rows(
      `SELECT CAST(next_not_cached_value AS CHAR) AS next, cycle_count AS round FROM ${quoteIdentifier(database)}.${name}`,
      sequenceRow,
      { what: `reading the sequence ${database}.${sequence}` },
    );
    if (row && row.round > 0) statements.push(`DO SETVAL(${name}, ${row.next}, 0, ${row.round})`);
  }
  return statements;
}

/** The defaults as the server holds them: of a row that is not there. */
async function floatDefaultsOf(
  admin: AdminConnection,
  database: string,
): Promise<{ statements: string[]; unknown: string[] }> {
  const what = `reading the defaults of ${database}`;
  const columns = await admin.rows(
    `SELECT TABLE_NAME AS tableName, COLUMN_NAME AS name, COLUMN_DEFAULT AS shown FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = ${quoteLiteral(database)} AND DATA_TYPE = 'float' AND NUMERIC_SCALE IS NULL
      AND COLUMN_DEFAULT REGEXP '^-?[0-9.]+(e[-+]?[0-9]+)?$' ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    columnRow,
    { what },
  );
  // All of a table in one statement: with each a server reads the others again from what it shows.
  const changes = new Map<string, string[]>();
  const unknown: string[] = [];
  for (const { tableName, name, shown } of columns) {
    const table = quoteIdentifier(tableName);
    const column = quoteIdentifier(name);
    const place = `${quoteIdentifier(database)}.${table}`;
    // Of a column that is never NULL only a row tells; where there is none yet, that of a table without rows does not.
    const value =
      (await valueOf(admin, `SELECT CAST(DEFAULT(${column}) AS DOUBLE) AS value FROM ${place} LIMIT 1`, what)) ??
      (await valueOf(
        admin,
        `SELECT CAST(DEFAULT(t.${column}) AS DOUBLE) AS value FROM (SELECT 1) one LEFT JOIN ${place} t ON FALSE`,
        what,
      ));
    if (value === null && digitsOf(shown) >= DIGITS_SHOWN) unknown.push(`${tableName}.${name}`);
    if (value === null || value === Math.fround(Number(shown))) continue;
    changes.set(table, [...(changes.get(table) ?? []), `ALTER COLUMN ${column} SET DEFAULT ${value}`]);
  }
  return {
    statements: [...changes].map(([table, defaults]) => `ALTER TABLE ${table} ${defaults.join(', ')}`),
    unknown,
  };
}

/** Of the mantissa. */
function digitsOf(shown: string): number {
  return shown.replace(/e.*$/, '').replace(/\D/g, '').replace(/^0+/, '').length;
}

async function valueOf(admin: AdminConnection, query: string, what: string): Promise<number | null> {
  const found = await admin.tryRows(query, z.object({ value: z.number().nullable() }), { what });
  return 'rows' in found ? (found.rows[0]?.value ?? null) : null;
}
