import { z } from 'zod';
import { existingHosts } from './accounts';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount, Purpose } from './database-server';
import type { NameElsewhere } from './definition-names';
import { grantPatternMatches, quoteAccount, quoteIdentifier, quoteLiteral } from './identifiers';

const held = z.object({
  database: z.string(),
  object: z.string(),
  column: z.string(),
  privilege: z.string(),
});
type Held = z.infer<typeof held>;

/** A privilege on one object: on all of it, or on columns of a table. */
interface Right {
  readonly privilege: string;
  readonly columns: readonly string[];
}

/**
 * Gives `to` the privileges on what these names stand for that `from` has now, host by host; a host that `from` does not
 * know is given those of its first. Whatever the names are: nothing that `from` has not.
 */
export async function grantReach(
  admin: AdminConnection,
  from: DatabaseAccount,
  to: DatabaseAccount,
  names: readonly NameElsewhere[],
  purpose: Purpose,
): Promise<void> {
  if (names.length === 0) return;
  const sources = await existingHosts(admin, from);
  for (const host of await existingHosts(admin, to)) {
    const source = sources.includes(host) ? host : sources[0];
    if (source === undefined) return;
    const privileges = await privilegesAt(admin, from.user, source, names);
    for (const name of await existing(admin, names)) {
      const rights = rightsFor(privileges, name, purpose);
      if (rights.length === 0) continue;
      const on = `${quoteIdentifier(name.database)}.${quoteIdentifier(name.object)}`;
      await admin.execute(
        `GRANT ${rights.map(spelled).join(', ')} ON ${kindWord(name)}${on} TO ${quoteAccount(to.user, host)}`,
        { what: `giving ${to.user}@${host} what ${from.user}@${source} has on ${name.database}.${name.object}` },
      );
    }
  }
}

/** Those of the names that the account may not use in definitions now, or that are not there. */
export async function lackingReach(
  admin: AdminConnection,
  account: DatabaseAccount,
  names: readonly NameElsewhere[],
): Promise<NameElsewhere[]> {
  if (names.length === 0) return [];
  const [host] = await existingHosts(admin, account);
  const privileges = host === undefined ? [] : await privilegesAt(admin, account.user, host, names);
  const there = await existing(admin, names);
  return names.filter((name) => {
    const found = there.find((each) => each.database === name.database && each.object === name.object);
    if (!found) return true;
    const rights = rightsFor(privileges, found, 'definitions');
    return found.named === 'key' ? rights.length === 0 : rights.length < wanted(found, 'definitions').length;
  });
}

interface Existing extends NameElsewhere {
  readonly type: 'table' | 'sequence' | 'function' | 'procedure';
}

function rightsFor(privileges: readonly Held[], name: Existing, purpose: Purpose): Right[] {
  const rights = wanted(name, purpose).flatMap((privilege) => rightOf(privileges, privilege, name) ?? []);
  return name.named === 'key' ? rights.slice(0, 1) : rights;
}

function wanted({ named, type }: Existing, purpose: Purpose): readonly string[] {
  if (type === 'function' || type === 'procedure') return ['EXECUTE'];
  // Any one of these will do.
  if (named === 'key') return ['REFERENCES', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'];
  // The next number of a sequence is a write to it.
  if (type === 'sequence') return ['SELECT', 'INSERT'];
  return purpose === 'definitions' ? ['SELECT'] : ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
}

function rightOf(
  privileges: readonly Held[],
  privilege: string,
  { database, object, type }: Existing,
): Right | undefined {
  const here = privileges.filter(
    (each) =>
      each.privilege === privilege &&
      (each.object === ''
        ? each.database === '*' || grantPatternMatches(each.database, database)
        : each.database === database && each.object === object),
  );
  if (here.some(({ column }) => column === '')) return { privilege, columns: [] };
  const columns = type === 'table' ? here.map(({ column }) => column) : [];
  return columns.length === 0 ? undefined : { privilege, columns };
}

function spelled({ privilege, columns }: Right): string {
  return columns.length === 0 ? privilege : `${privilege} (${columns.map(quoteIdentifier).join(', ')})`;
}

function kindWord({ type }: Existing): string {
  return type === 'function' || type === 'procedure' ? `${type.toUpperCase()} ` : '';
}

/** What the names stand for, as far as it is there. Of the server's own descriptions everybody sees his part. */
async function existing(admin: AdminConnection, names: readonly NameElsewhere[]): Promise<Existing[]> {
  const found: Existing[] = [];
  const context = { what: 'looking for what definitions name in other databases' };
  for (const name of names) {
    if (/^information_schema$/i.test(name.database)) continue;
    const where = (schema: string, object: string): string =>
      `${schema} = ${quoteLiteral(name.database)} AND ${object} = ${quoteLiteral(name.object)}`;
    const [one] = await admin.rows(
      name.named === 'function' || name.named === 'procedure'
        ? `SELECT LOWER(ROUTINE_TYPE) AS type FROM information_schema.ROUTINES
            WHERE ${where('ROUTINE_SCHEMA', 'ROUTINE_NAME')} AND ROUTINE_TYPE = ${quoteLiteral(name.named.toUpperCase())}`
        : `SELECT IF(TABLE_TYPE = 'SEQUENCE', 'sequence', 'table') AS type FROM information_schema.TABLES
            WHERE ${where('TABLE_SCHEMA', 'TABLE_NAME')}`,
      z.object({ type: z.enum(['table', 'sequence', 'function', 'procedure']) }),
      context,
    );
    if (one) found.push({ ...name, type: one.type });
  }
  return found;
}

/** Privileges on everything, on databases by patterns, and on the objects of these databases. */
async function privilegesAt(
  admin: AdminConnection,
  user: string,
  host: string,
  names: readonly NameElsewhere[],
): Promise<Held[]> {
  // The grantee is spelled with quotes and without escapes.
  const grantee = `GRANTEE = ${quoteLiteral(`'${user}'@'${host}'`)}`;
  const schemas = [...new Set(names.map(({ database }) => quoteLiteral(database)))].join(', ');
  const context = { what: `reading the privileges of ${user}@${host}` };
  const listed = await admin.rows(
    `SELECT '*' AS \`database\`, '' AS object, '' AS \`column\`, PRIVILEGE_TYPE AS privilege
        FROM information_schema.USER_PRIVILEGES WHERE ${grantee}
      UNION ALL SELECT TABLE_SCHEMA, '', '', PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE ${grantee}
      UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME, '', PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES
        WHERE ${grantee} AND TABLE_SCHEMA IN (${schemas})
      UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE FROM information_schema.COLUMN_PRIVILEGES
        WHERE ${grantee} AND TABLE_SCHEMA IN (${schemas})`,
    held,
    context,
  );
  const routines = await admin.rows(
    `SELECT Db AS \`database\`, Routine_name AS object, '' AS \`column\`, 'EXECUTE' AS privilege FROM mysql.procs_priv
      WHERE User = ${quoteLiteral(user)} AND Host = ${quoteLiteral(host)} AND Db IN (${schemas})
        AND FIND_IN_SET('Execute', Proc_priv)`,
    held,
    context,
  );
  return [...listed, ...routines];
}
