import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import type { DatabaseFacts, ServerFacts } from './database-server';
import { quoteIdentifier, quoteLiteral } from './identifiers';
import type { ValueForm } from './row-literals';
import { isAtLeast } from './server-version';

/** A column as it is read and written. */
export interface ExactColumn {
  readonly name: string;
  /** What is selected for it. */
  readonly expression: string;
  readonly form: ValueForm;
}

/** A table whose rows a dump program does not write as they are. */
export interface InexactTable {
  readonly name: string;
  /** Those that rows are given for: not what is generated. */
  readonly columns: readonly ExactColumn[];
  /** Rows that were replaced or deleted are read too: with the times of a system-versioned table. */
  readonly withHistory: boolean;
  /** It can be read as it was at one moment. */
  readonly transactional: boolean;
}

export interface InexactTables {
  readonly tables: readonly InexactTable[];
  /** The dump program can be told to write the history of all system-versioned tables. */
  readonly dumpHistory: boolean;
  /** System-versioned tables whose history no program writes. */
  readonly withoutHistory: readonly string[];
}

/**
 * Types whose values a dump program of today writes as they are when its character set is binary. Of others Kedge does not know:
 * those with a text of their own (UUID, INET6, MySQL's JSON) do not take it as binary.
 */
const EXACT_TYPES = `tinyint smallint mediumint int integer bigint decimal numeric double real bit
  date datetime timestamp time year
  char varchar tinytext text mediumtext longtext binary varbinary tinyblob blob mediumblob longblob vector
  geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection geomcollection`.split(
  /\s+/,
);
const NUMBERS = new Set('tinyint smallint mediumint int integer bigint decimal numeric double real year'.split(' '));
/** The first version that takes the times of a system-versioned table from an INSERT. */
const TAKES_HISTORY = [10, 11];

const columnRow = z.object({
  tableName: z.string(),
  name: z.string(),
  type: z.string(),
  columnType: z.string(),
  scale: z.coerce.number().nullable(),
  extra: z.string(),
  generation: z.string(),
});
type Column = z.infer<typeof columnRow>;

/** Looks for tables whose rows Kedge has to read by itself. Nearly all databases have none. */
export async function findInexactTables(
  admin: AdminConnection,
  database: string,
  facts: Pick<DatabaseFacts, 'tables' | 'versionedTables' | 'nonTransactionalTables'>,
  server: Pick<ServerFacts, 'kind' | 'version'>,
  dumpProgramKnowsHistory: boolean,
): Promise<InexactTables> {
  const types = EXACT_TYPES.map(quoteLiteral).join(', ');
  const suspects = await columnsOf(
    admin,
    database,
    server,
    `(DATA_TYPE NOT IN (${types}) ${server.kind === 'mariadb' ? "OR GENERATION_EXPRESSION = 'ROW START'" : ''})`,
  );
  const versioned = new Set(facts.versionedTables);
  const byTransaction = new Set(
    suspects.filter(({ generation, type }) => generation === 'ROW START' && type === 'bigint').map((c) => c.tableName),
  );
  const takesHistory = server.kind === 'mariadb' && isAtLeast(server.version, TAKES_HISTORY);
  const withoutHistory = [...versioned].filter((table) => !takesHistory || byTransaction.has(table));
  // One table with transaction-precise history, and the program ends with an error.
  const dumpHistory = versioned.size > 0 && dumpProgramKnowsHistory && withoutHistory.length === 0;
  const names = new Set(suspects.filter(isInexact).map(({ tableName }) => tableName));
  if (!dumpHistory) for (const table of versioned) names.add(table);
  const wanted = facts.tables.filter((table) => names.has(table));
  if (wanted.length === 0) return { tables: [], dumpHistory, withoutHistory };
  const columns = await columnsOf(
    admin,
    database,
    server,
    `TABLE_NAME IN (${wanted.map((table) => quoteLiteral(table)).join(', ')})`,
  );
  const withoutSnapshot = new Set(facts.nonTransactionalTables);
  return {
    dumpHistory,
    withoutHistory,
    tables: wanted
      .map((name) => {
        const own = columns.filter(({ tableName }) => tableName === name);
        const withHistory = versioned.has(name) && !withoutHistory.includes(name);
        return {
          name,
          columns: [
            ...own.filter((column) => !isGenerated(column)).map(exactColumn),
            ...(withHistory ? periodOf(own) : []),
          ],
          withHistory,
          transactional: !withoutSnapshot.has(name),
        };
      })
      .filter((table) => table.columns.length > 0),
  };
}

async function columnsOf(
  admin: AdminConnection,
  database: string,
  { kind }: Pick<ServerFacts, 'kind'>,
  condition: string,
): Promise<Column[]> {
  return admin.rows(
    `SELECT TABLE_NAME AS tableName, COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, COLUMN_TYPE AS columnType,
      NUMERIC_SCALE AS scale, EXTRA AS extra,
      ${kind === 'mariadb' ? "COALESCE(GENERATION_EXPRESSION, '')" : "''"} AS generation
      FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${quoteLiteral(database)} AND ${condition}
      ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    columnRow,
    { what: `reading the columns of ${database}` },
  );
}

/** A value of it may come out as another one. */
function isInexact(column: Column): boolean {
  if (column.generation !== '' || isGenerated(column)) return false;
  // With digits it holds what it shows.
  if (column.type === 'float') return column.scale === null;
  if (column.type === 'enum' || column.type === 'set') return hasDoubtfulLabels(column.columnType);
  return !EXACT_TYPES.includes(column.type);
}

/**
 * An ENUM shows the value it was given in error as an empty text. A label that is one too, or two labels that a collation takes
 * for one, cannot be told apart by what is shown.
 */
function hasDoubtfulLabels(columnType: string): boolean {
  const labels = [...columnType.matchAll(/'((?:[^'\\]|\\[\s\S]|'')*)'/g)].map(([, label = '']) =>
    label
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/[\s\p{C}]+/gu, ''),
  );
  return labels.includes('') || new Set(labels).size < labels.length;
}

function isGenerated({ extra, generation }: Column): boolean {
  return generation !== '' || /\b(?:VIRTUAL|STORED|PERSISTENT)\b/.test(extra);
}

function exactColumn({ name, type }: Column): ExactColumn {
  const quoted = quoteIdentifier(name);
  if (type === 'float') return { name, expression: `CAST(${quoted} AS DOUBLE)`, form: 'number' };
  if (type === 'enum' || type === 'set' || type === 'bit')
    return { name, expression: `CAST(${quoted} AS UNSIGNED)`, form: 'number' };
  if (NUMBERS.has(type)) return { name, expression: quoted, form: 'number' };
  return { name, expression: quoted, form: EXACT_TYPES.includes(type) ? 'bytes' : 'text' };
}

/** The columns that say from when to when a row was the present one. */
function periodOf(columns: readonly Column[]): ExactColumn[] {
  return ['ROW START', 'ROW END'].map((generation) => {
    const column = columns.find((each) => each.generation === generation);
    const name = column?.name ?? generation.toLowerCase().replace(' ', '_');
    return { name, expression: quoteIdentifier(name), form: 'bytes' };
  });
}
