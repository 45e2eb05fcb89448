import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import { quoteLiteral, splitAccount } from './identifiers';

/** To give a site's account everything on its database, the admin account has to have it. */
const OF_A_SITE = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'],
  ...['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'EXECUTE', 'CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE'],
  ...['ALTER ROUTINE', 'EVENT', 'TRIGGER'],
];

/** Each is what one of these names stands for; which of them a server has depends on its kind and version. */
const OF_THE_ADMIN: readonly (readonly [string, ...string[]])[] = [
  ['CREATE USER'],
  ['PROCESS'],
  // Ending connections.
  ['CONNECTION ADMIN', 'CONNECTION_ADMIN', 'SUPER'],
  // Events under the account of a site.
  ['SET USER', 'SET_USER_ID', 'SET_ANY_DEFINER', 'SUPER'],
];

const privilege = z.object({ name: z.string(), grantable: z.string() });

/**
 * What Kedge needs of the admin account on all databases and the account does not have itself, by the names of GRANT;
 * `GRANT OPTION` where it may not hand on what it has. Privileges by a role are not seen.
 */
export async function missingPrivileges(admin: AdminConnection): Promise<string[]> {
  const context = { what: 'reading the privileges of the admin account' };
  const [current] = await admin.rows(
    'SELECT CURRENT_USER() AS account, VERSION() AS version',
    z.object({ account: z.string(), version: z.string() }),
    context,
  );
  const { user, host } = splitAccount(current?.account ?? '');
  // The grantee is spelled with quotes and without escapes.
  const held = await admin.rows(
    `SELECT PRIVILEGE_TYPE AS name, IS_GRANTABLE AS grantable FROM information_schema.USER_PRIVILEGES
      WHERE GRANTEE = ${quoteLiteral(`'${user}'@'${host}'`)}`,
    privilege,
    context,
  );
  const names = new Set(held.map(({ name }) => name));
  const isMariadb = /mariadb/i.test(current?.version ?? '');
  const ofASite = [...OF_A_SITE.map((name) => [name] as const), ...(isMariadb ? [HISTORY] : [])];
  const missing = [...ofASite, ...OF_THE_ADMIN].filter((any) => !any.some((name) => names.has(name)));
  const mayGrant = held.some(({ grantable }) => grantable === 'YES');
  return [...missing.map(([name]) => name), ...(mayGrant ? [] : ['GRANT OPTION'])];
}

const HISTORY = ['DELETE HISTORY', 'DELETE VERSIONING ROWS'] as const;

/** Names and patterns of databases that every account of the server may use: those of PUBLIC and of the nameless account. */
export async function publicDatabases(admin: AdminConnection): Promise<string[]> {
  const rows = await admin.rows(
    `SELECT DISTINCT Db AS name FROM mysql.db WHERE User IN ('', 'PUBLIC') ORDER BY Db`,
    z.object({ name: z.string() }),
    { what: 'looking for databases of all accounts' },
  );
  return rows.map(({ name }) => name);
}
