import { z } from 'zod';
import { isKedgeError } from '../../contract/errors';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount, RightOnDatabase } from './database-server';
import { grantPatternMatches, quoteGrantPattern, quoteIdentifier, quoteLiteral } from './identifiers';

const row = z.object({
  grantee: z.string(),
  pattern: z.string(),
  on: z.string(),
  column: z.string(),
  privilege: z.string(),
});

/**
 * Privileges on the database that do not come with a new name of it: those of other accounts and of roles, by the
 * database, tables, columns and routines; of the account itself those on tables, columns and routines. Privileges on all
 * databases are none of these.
 */
export async function rightsLeftBehind(
  admin: AdminConnection,
  account: DatabaseAccount,
  database: string,
): Promise<RightOnDatabase[]> {
  const context = { what: `asking who has privileges on ${database}` };
  const schema = quoteLiteral(database);
  const listed = await admin.rows(
    `SELECT GRANTEE AS grantee, TABLE_SCHEMA AS pattern, '' AS \`on\`, '' AS \`column\`, PRIVILEGE_TYPE AS privilege
        FROM information_schema.SCHEMA_PRIVILEGES
      UNION ALL SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, '', PRIVILEGE_TYPE
        FROM information_schema.TABLE_PRIVILEGES WHERE TABLE_SCHEMA = ${schema}
      UNION ALL SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE
        FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = ${schema}`,
    row,
    context,
  );
  const routines = await admin.rows(
    `SELECT CONCAT('''', User, '''@''', Host, '''') AS grantee, Db AS pattern, CONCAT(Routine_type, ' ', Routine_name) AS \`on\`,
      '' AS \`column\`, UPPER(REPLACE(Proc_priv, ',', ', ')) AS privilege FROM mysql.procs_priv WHERE Db = ${schema}`,
    row,
    context,
  );
  const own = new Set(account.hosts.map((host) => `'${account.user}'@'${host}'`));
  const rights = new Map<string, { grantee: string; on: string; privileges: Map<string, string[]> }>();
  for (const { grantee, pattern, on, column, privilege } of [...listed, ...routines]) {
    // Who may use every database may use the new one.
    const ofDatabase = on === '' && (pattern === '%' || !grantPatternMatches(pattern, database));
    if (ofDatabase || privilege === 'USAGE' || /^''@|^'PUBLIC'@/.test(grantee)) continue;
    if (own.has(grantee) && on === '') continue;
    const key = JSON.stringify([grantee, on]);
    const right = rights.get(key) ?? { grantee, on, privileges: new Map<string, string[]>() };
    right.privileges.set(privilege, [...(right.privileges.get(privilege) ?? []), ...(column === '' ? [] : [column])]);
    rights.set(key, right);
  }
  return [...rights.values()].map(({ grantee, on, privileges }) => ({
    // A role has no host.
    grantee: grantee.replace(/@''$/, ''),
    on: on === '' ? null : on,
    privileges:
      privileges.size >= ALL_PRIVILEGES
        ? 'ALL PRIVILEGES'
        : [...privileges]
            .map(([name, columns]) =>
              columns.length === 0 ? name : `${name} (${columns.map(quoteIdentifier).join(', ')})`,
            )
            .join(', '),
  }));
}

/** So many there are on a database, at least. */
const ALL_PRIVILEGES = 18;

/** The statement that gives the same on a database of this name. */
export function grantStatement({ grantee, privileges, on }: RightOnDatabase, database: string): string {
  const [, kind = '', routine = ''] = /^(FUNCTION|PROCEDURE) (.*)$/s.exec(on ?? '') ?? [];
  const object =
    on === null
      ? `${quoteGrantPattern(database)}.*`
      : `${kind === '' ? '' : `${kind} `}${quoteIdentifier(database)}.${quoteIdentifier(kind === '' ? on : routine)}`;
  return `GRANT ${privileges} ON ${object} TO ${grantee};`;
}

const FILTERS = ['BINLOG_DO_DB', 'BINLOG_IGNORE_DB', 'REPLICATE_DO_DB', 'REPLICATE_IGNORE_DB', 'REPLICATE_REWRITE_DB'];
const TABLE_FILTERS = [
  ...['REPLICATE_DO_TABLE', 'REPLICATE_IGNORE_TABLE', 'REPLICATE_WILD_DO_TABLE', 'REPLICATE_WILD_IGNORE_TABLE'],
];

/** Filters of binary log and replication that name the database: `binlog_do_db = shop`. Under another name they pass it over. */
export async function filtersNaming(admin: AdminConnection, database: string): Promise<string[]> {
  const names = [...FILTERS, ...TABLE_FILTERS].map(quoteLiteral).join(', ');
  const context = { what: 'reading the filters of the binary log' };
  const variables = await admin.rows(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`,
    z.object({ Variable_name: z.string(), Value: z.string() }),
    context,
  );
  // Servers without these variables tell the filters of the binary log here.
  const status = await admin
    .rows('SHOW MASTER STATUS', z.looseObject({ Binlog_Do_DB: z.string(), Binlog_Ignore_DB: z.string() }), context)
    // MySQL 8.4 knows no such statement, and an account may lack the privilege; what it says is no reason to stop.
    .catch((error: unknown) => {
      if (isKedgeError(error) && error.code === 'DatabaseRefused') return [];
      throw error;
    });
  const logged = status.flatMap((line) => [
    { name: 'BINLOG_DO_DB', value: line.Binlog_Do_DB },
    { name: 'BINLOG_IGNORE_DB', value: line.Binlog_Ignore_DB },
  ]);
  const listed = variables.map((each) => ({ name: each.Variable_name.toUpperCase(), value: each.Value }));
  const naming = [...listed, ...logged].filter(({ name, value }) =>
    value.split(',').some((entry) => {
      const text = entry.trim();
      if (TABLE_FILTERS.includes(name)) return grantPatternMatches(text.split('.')[0] ?? '', database);
      return text.split('->').some((side) => side.trim() === database);
    }),
  );
  return [...new Set(naming.map(({ name, value }) => `${name.toLowerCase()} = ${value}`))];
}
