import { z } from 'zod';
import { existingHosts, lockedHosts } from './accounts';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount } from './database-server';
import { grantPatternMatches, quoteLiteral } from './identifiers';

const text = z.object({ name: z.string() });

/**
 * True when the account, at any of its hosts, has a privilege beyond this database: on all databases, on another one that
 * the server has (by name or by a pattern), on tables, columns or routines there, by a role or as a proxy. USAGE, GRANT OPTION
 * on the database itself, and what is left of databases that are gone do not count.
 */
export async function accountIsShared(
  admin: AdminConnection,
  account: DatabaseAccount,
  database: string,
): Promise<boolean> {
  const databases = await listDatabases(admin);
  for (const host of await existingHosts(admin, account)) {
    if (await isSharedAt(admin, account.user, host, database, databases)) return true;
  }
  return false;
}

async function isSharedAt(
  admin: AdminConnection,
  user: string,
  host: string,
  database: string,
  databases: readonly string[],
): Promise<boolean> {
  const context = { what: `reading the privileges of ${user}@${host}` };
  const names = (query: string): Promise<{ name: string }[]> => admin.rows(query, text, context);
  const where = `User = ${quoteLiteral(user)} AND Host = ${quoteLiteral(host)}`;

  // Global privileges. The grantee is spelled with quotes and without escapes.
  const global = await names(
    `SELECT PRIVILEGE_TYPE AS name FROM information_schema.USER_PRIVILEGES
      WHERE GRANTEE = ${quoteLiteral(`'${user}'@'${host}'`)} AND PRIVILEGE_TYPE <> 'USAGE'`,
  );
  if (global.length > 0) return true;

  for (const { name } of await grantRows(admin, user, host)) {
    if (databases.some((other) => other !== database && grantPatternMatches(name, other))) return true;
  }

  for (const table of ['tables_priv', 'columns_priv', 'procs_priv']) {
    const elsewhere = await names(`SELECT Db AS name FROM mysql.${table} WHERE ${where}`);
    if (elsewhere.some(({ name }) => name !== database && databases.includes(name))) return true;
  }

  const proxied = await names(`SELECT Proxied_user AS name FROM mysql.proxies_priv WHERE ${where}`);
  if (proxied.length > 0) return true;
  return (await rolesOf(admin, user, host)).length > 0;
}

/** Privileges that reach what lies in databases, or give themselves such. */
const REACHING = new Set(
  'SELECT INSERT UPDATE DELETE CREATE DROP ALTER EXECUTE REFERENCES INDEX TRIGGER EVENT FILE SUPER'
    .split(' ')
    .concat(...['CREATE USER', 'CREATE VIEW', 'CREATE ROUTINE', 'ALTER ROUTINE', 'SHOW VIEW', 'LOCK TABLES']),
);

/** The privileges that reach every database of the server, of the account at any of its hosts; empty for an ordinary one. */
export async function globalPrivileges(admin: AdminConnection, account: DatabaseAccount): Promise<string[]> {
  const found = new Set<string>();
  for (const host of await existingHosts(admin, account)) {
    const rows = await admin.rows(
      `SELECT PRIVILEGE_TYPE AS name FROM information_schema.USER_PRIVILEGES
        WHERE GRANTEE = ${quoteLiteral(`'${account.user}'@'${host}'`)}
        UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
        WHERE GRANTEE = ${quoteLiteral(`'${account.user}'@'${host}'`)} AND TABLE_SCHEMA = '%'`,
      text,
      { what: `reading the privileges of ${account.user}@${host}` },
    );
    for (const { name } of rows) if (REACHING.has(name)) found.add(name);
  }
  return [...found].sort();
}

/** What is said about an account with {@link globalPrivileges}: a sentence in lower case. */
export function describeReach({ user }: DatabaseAccount, server: string, privileges: readonly string[]): string {
  const what = privileges.length > 3 ? `${privileges.slice(0, 3).join(', ')} and more` : privileges.join(', ');
  return `the account ${user} reaches every database of ${server} (${what}): whoever breaks into its site has them all, and a restore, which would take this from it, is refused without --no-fence`;
}

/** Databases of the server that the account, at any of its hosts, has privileges on by their names or by a pattern, sorted. */
export async function databasesOf(admin: AdminConnection, account: DatabaseAccount): Promise<string[]> {
  const databases = await listDatabases(admin);
  const reached = new Set<string>();
  for (const host of await existingHosts(admin, account)) {
    const patterns = (await grantRows(admin, account.user, host)).map(({ name }) => name);
    for (const table of ['tables_priv', 'procs_priv']) {
      const rows = await admin.rows(
        `SELECT Db AS name FROM mysql.${table} WHERE User = ${quoteLiteral(account.user)} AND Host = ${quoteLiteral(host)}`,
        text,
        { what: `reading the privileges of ${account.user}@${host}` },
      );
      for (const { name } of rows) if (databases.includes(name)) reached.add(name);
    }
    for (const name of databases) if (patterns.some((pattern) => grantPatternMatches(pattern, name))) reached.add(name);
  }
  return [...reached].sort();
}

/**
 * Accounts, as `user@host`, that may write to the database by privileges on it, other than this one: those of the same
 * user name at other hosts too. Accounts of administrators, whose privileges are on everything, are not told.
 */
export async function otherWriters(
  admin: AdminConnection,
  account: DatabaseAccount,
  database: string,
): Promise<string[]> {
  const rows = await admin.rows(
    `SELECT Db AS name, User AS user, Host AS host FROM mysql.db
      WHERE User <> '' AND Host <> '' AND 'Y' IN (Insert_priv, Update_priv, Delete_priv, Drop_priv, Alter_priv)
      ORDER BY User, Host`,
    text.extend({ user: z.string(), host: z.string() }),
    { what: `asking who may write to ${database}` },
  );
  const others = rows
    .filter(({ name }) => grantPatternMatches(name, database))
    .filter(({ user, host }) => user !== account.user || !account.hosts.includes(host))
    .map(({ user, host }) => ({ user, hosts: [host] }));
  const open: string[] = [];
  for (const other of others)
    if ((await lockedHosts(admin, other)).length === 0) open.push(`${other.user}@${other.hosts.join('')}`);
  return [...new Set(open)];
}

/** Rows of `mysql.db` of one account: the patterns it has privileges on. */
export async function grantRows(
  admin: AdminConnection,
  user: string,
  host: string,
): Promise<{ name: string; event: boolean }[]> {
  const rows = await admin.rows(
    `SELECT Db AS name, Event_priv AS event FROM mysql.db
      WHERE User = ${quoteLiteral(user)} AND Host = ${quoteLiteral(host)} ORDER BY Db`,
    text.extend({ event: z.string() }),
    { what: `reading the privileges of ${user}@${host}` },
  );
  return rows.map(({ name, event }) => ({ name, event: event === 'Y' }));
}

/** The servers keep roles in tables of different names. */
async function rolesOf(admin: AdminConnection, user: string, host: string): Promise<unknown[]> {
  const context = { what: `reading the roles of ${user}@${host}` };
  const [known] = await admin.rows(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME IN ('roles_mapping', 'role_edges')`,
    text,
    context,
  );
  if (!known) return [];
  return known.name === 'roles_mapping'
    ? admin.rows(
        `SELECT Role AS name FROM mysql.roles_mapping WHERE User = ${quoteLiteral(user)} AND Host = ${quoteLiteral(host)}`,
        text,
        context,
      )
    : admin.rows(
        `SELECT FROM_USER AS name FROM mysql.role_edges
          WHERE TO_USER = ${quoteLiteral(user)} AND TO_HOST = ${quoteLiteral(host)}`,
        text,
        context,
      );
}

async function listDatabases(admin: AdminConnection): Promise<string[]> {
  const rows = await admin.rows('SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA', text, {
    what: 'listing the databases',
  });
  return rows.map(({ name }) => name);
}
