import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import { quoteLiteral } from './identifiers';
import { type SqlToken, nameOf, readSql, wordOf } from './sql-tokens';
import { isColumn, itemsOf } from './table-definition';

/** A setting under which a server takes no table, or no rows of it, without a key. */
export interface ForcedKeys {
  /** The variable of the server. */
  readonly by: string;
  /** A primary key it has to be; else one whose values are unique and never NULL will do. */
  readonly primary: boolean;
}

/** The keys of a table, as far as rows are told apart by them. */
export interface TableKeys {
  /** In lower case; empty where a definition names none. */
  readonly engine: string;
  readonly primary: boolean;
  /** A key whose values are unique and never NULL; a primary one too. */
  readonly unique: boolean;
}

const variable = z.object({ Variable_name: z.string(), Value: z.string() });
const VARIABLES = [
  ...['innodb_force_primary_key', 'sql_require_primary_key', 'wsrep_on', 'wsrep_mode', 'wsrep_certify_nonPK'],
  'pxc_strict_mode',
];

/** What of the server's settings forces keys; null where none does. */
export async function readForcedKeys(admin: AdminConnection): Promise<ForcedKeys | null> {
  const rows = await admin.rows(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${VARIABLES.map(quoteLiteral).join(', ')})`,
    variable,
    { what: 'asking whether the server forces keys' },
  );
  const valueOf = (wanted: string): string =>
    rows.find((row) => row.Variable_name.toLowerCase() === wanted.toLowerCase())?.Value.toUpperCase() ?? '';
  if (valueOf('sql_require_primary_key') === 'ON') return { by: 'sql_require_primary_key', primary: true };
  if (valueOf('wsrep_on') === 'ON') {
    if (valueOf('wsrep_mode').includes('REQUIRED_PRIMARY_KEY')) return { by: 'wsrep_mode', primary: true };
    if (valueOf('wsrep_certify_nonPK') === 'OFF') return { by: 'wsrep_certify_nonPK', primary: true };
    if (['ENFORCING', 'MASTER'].includes(valueOf('pxc_strict_mode'))) return { by: 'pxc_strict_mode', primary: true };
  }
  return valueOf('innodb_force_primary_key') === 'ON' ? { by: 'innodb_force_primary_key', primary: false } : null;
}

/** Tables of a database that a server with this setting would not take again. */
export async function tablesWithoutKey(
  admin: AdminConnection,
  database: string,
  forced: ForcedKeys,
): Promise<string[]> {
  const schema = quoteLiteral(database);
  const rows = await admin.rows(
    `SELECT t.TABLE_NAME AS name, LOWER(COALESCE(t.ENGINE, '')) AS engine,
      COALESCE(MAX(k.INDEX_NAME = 'PRIMARY'), 0) AS isPrimary, COALESCE(MAX(k.nullable = 0), 0) AS isUnique
      FROM information_schema.TABLES t LEFT JOIN (
        SELECT TABLE_NAME, INDEX_NAME, SUM(NULLABLE = 'YES') AS nullable FROM information_schema.STATISTICS
          WHERE TABLE_SCHEMA = ${schema} AND NON_UNIQUE = 0 GROUP BY TABLE_NAME, INDEX_NAME
      ) k ON k.TABLE_NAME = t.TABLE_NAME
      WHERE t.TABLE_SCHEMA = ${schema} AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
      GROUP BY t.TABLE_NAME, t.ENGINE ORDER BY t.TABLE_NAME`,
    z.object({ name: z.string(), engine: z.string(), isPrimary: z.coerce.number(), isUnique: z.coerce.number() }),
    { what: `looking for tables of ${database} without a key` },
  );
  return rows
    .filter(({ engine, isPrimary, isUnique }) =>
      lacksKey({ engine, primary: isPrimary > 0, unique: isUnique > 0 }, forced),
    )
    .map(({ name }) => name);
}

/** The server that forces keys so takes no table with these. Of other engines than InnoDB nothing is forced but by MySQL. */
export function lacksKey({ engine, primary, unique }: TableKeys, forced: ForcedKeys): boolean {
  if (engine !== '' && engine !== 'innodb' && forced.by !== 'sql_require_primary_key') return false;
  return forced.primary ? !primary : !unique;
}

/** Reads the keys off `CREATE TABLE name (…) …`, in latin1. */
export function keysOf(statement: string): TableKeys {
  const { tokens } = readSql(statement);
  const { items, rest } = itemsOf(tokens);
  const notNull = new Set<string>();
  const keys: string[][] = [];
  let primary = false;
  for (const item of items) {
    const words = item.map((token) => wordOf(token));
    const begins = words[0] === 'CONSTRAINT' ? words.findIndex((word) => /^(?:PRIMARY|UNIQUE)$/.test(word ?? '')) : 0;
    const first = words[Math.max(begins, 0)];
    if (first === 'PRIMARY') primary = true;
    else if (first === 'UNIQUE') keys.push(columnsOf(item));
    else if (item[0] && isColumn(item)) {
      const name = nameOf(item[0]);
      if (words.some((word, at) => word === 'NOT' && words[at + 1] === 'NULL')) notNull.add(name);
      if (words.includes('UNIQUE', 1)) keys.push([name]);
      if (words.some((word, at) => at > 0 && word === 'KEY' && words[at - 1] !== 'UNIQUE')) primary = true;
    }
  }
  const engine = rest.findIndex((token) => wordOf(token) === 'ENGINE');
  const named = engine === -1 ? undefined : rest.slice(engine + 1).find(({ text }) => text !== '=');
  return {
    engine: named ? nameOf(named).toLowerCase() : '',
    primary,
    unique: primary || keys.some((columns) => columns.every((column) => notNull.has(column))),
  };
}

/** The names in the parentheses of a key, without lengths. */
function columnsOf(item: readonly SqlToken[]): string[] {
  const names: string[] = [];
  let depth = 0;
  for (const token of item) {
    if (token.text === ')' && token.kind === 'symbol') depth -= 1;
    if (depth === 1 && token.kind !== 'symbol' && !/^(?:ASC|DESC)$/.test(wordOf(token) ?? ''))
      names.push(nameOf(token));
    if (token.text === '(' && token.kind === 'symbol') depth += 1;
  }
  return names;
}
