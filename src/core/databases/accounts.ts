import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import type { AdminConnection } from './admin-connection';
import { endAccountConnections } from './connections';
import type { DatabaseAccount } from './database-server';
import { quoteAccount, quoteGrantPattern, quoteLiteral } from './identifiers';

const host = z.object({ host: z.string() });

/** All hosts at which an account of this user name exists. */
async function hostsOf(admin: AdminConnection, user: string): Promise<string[]> {
  const rows = await admin.rows(
    `SELECT Host AS host FROM mysql.user WHERE User = ${quoteLiteral(user)} ORDER BY Host`,
    host,
    { what: `looking for the account ${user}` },
  );
  return rows.map((row) => row.host);
}

/** User names of all accounts, each once. */
export async function userNames(admin: AdminConnection): Promise<string[]> {
  const rows = await admin.rows('SELECT DISTINCT User AS user FROM mysql.user', z.object({ user: textOrBytes }), {
    what: 'listing accounts',
  });
  return rows.map(({ user }) => user);
}

/** Those of the account's hosts at which it exists. */
export async function existingHosts(admin: AdminConnection, account: DatabaseAccount): Promise<string[]> {
  const existing = await hostsOf(admin, account.user);
  return account.hosts.filter((name) => existing.includes(name));
}

/** Creates or resets the account at all its hosts: this password, all privileges on this database alone, unlocked. */
export async function createAccount(
  admin: AdminConnection,
  account: DatabaseAccount,
  password: string,
  database: string,
): Promise<void> {
  await refuseAdmin(admin, account);
  for (const name of account.hosts) {
    const quoted = quoteAccount(account.user, name);
    const context = {
      what: `creating the account ${account.user}@${name}`,
      secrets: [password, quoteLiteral(password)],
    };
    const identified = `IDENTIFIED BY ${quoteLiteral(password)}`;
    await admin.execute(`CREATE USER IF NOT EXISTS ${quoted} ${identified}`, context);
    await admin.execute(`ALTER USER ${quoted} ${identified} ACCOUNT UNLOCK`, context);
    await admin.execute(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${quoted}`, context);
    await admin.execute(`GRANT ALL PRIVILEGES ON ${quoteGrantPattern(database)}.* TO ${quoted}`, context);
  }
}

/** MySQL keeps these as bytes. */
const textOrBytes = z.preprocess((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : value), z.string());

/** Columns of `mysql.user`. */
const options = z.object({
  ssl_type: z.string(),
  ssl_cipher: textOrBytes,
  x509_issuer: textOrBytes,
  x509_subject: textOrBytes,
  max_questions: z.coerce.number(),
  max_updates: z.coerce.number(),
  max_connections: z.coerce.number(),
  max_user_connections: z.coerce.number(),
  /** MariaDB only, s. */
  max_statement_time: z.coerce.number().optional(),
});
type AccountOptions = z.infer<typeof options>;

/** Limits and REQUIRE of `from` given to `to`, at each host both have. */
export async function copyAccountOptions(
  admin: AdminConnection,
  from: DatabaseAccount,
  to: DatabaseAccount,
): Promise<void> {
  const targets = await existingHosts(admin, to);
  for (const name of from.hosts.filter((candidate) => targets.includes(candidate))) {
    const context = { what: `copying the limits of ${from.user}@${name} to ${to.user}@${name}` };
    const [found] = await admin.rows(
      `SELECT * FROM mysql.user WHERE User = ${quoteLiteral(from.user)} AND Host = ${quoteLiteral(name)}`,
      options,
      context,
    );
    if (!found) continue;
    await admin.execute(
      `ALTER USER ${quoteAccount(to.user, name)} REQUIRE ${requirement(found)} WITH ${limits(found)}`,
      context,
    );
  }
}

/** Drops the account at those of its hosts where it exists. */
export async function dropAccount(admin: AdminConnection, account: DatabaseAccount): Promise<void> {
  await refuseAdmin(admin, account);
  for (const name of account.hosts) {
    await admin.execute(`DROP USER IF EXISTS ${quoteAccount(account.user, name)}`, {
      what: `dropping the account ${account.user}@${name}`,
    });
  }
}

/** Locks the account where it exists, then ends its connections. */
export async function lockAccount(admin: AdminConnection, account: DatabaseAccount): Promise<void> {
  await refuseAdmin(admin, account);
  await setLock(admin, account, await existingHosts(admin, account), 'LOCK');
  const others = (await hostsOf(admin, account.user)).filter((name) => !account.hosts.includes(name));
  await endAccountConnections(admin, account, others);
}

export async function unlockAccount(admin: AdminConnection, account: DatabaseAccount): Promise<void> {
  await setLock(admin, account, await existingHosts(admin, account), 'UNLOCK');
}

async function setLock(
  admin: AdminConnection,
  account: DatabaseAccount,
  hosts: readonly string[],
  lock: 'LOCK' | 'UNLOCK',
): Promise<void> {
  for (const name of hosts) {
    await admin.execute(`ALTER USER ${quoteAccount(account.user, name)} ACCOUNT ${lock}`, {
      what: `${lock === 'LOCK' ? 'locking' : 'unlocking'} the account ${account.user}@${name}`,
    });
  }
}

/** Those of the account's hosts at which it is locked. */
export async function lockedHosts(admin: AdminConnection, account: DatabaseAccount): Promise<string[]> {
  const locked: string[] = [];
  for (const name of await existingHosts(admin, account)) {
    const definition = await showCreateUser(admin, account.user, name);
    // Texts in the definition (REQUIRE SUBJECT '…') are no clauses.
    if (/\bACCOUNT LOCK\b/.test(definition.replace(/'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`/gs, ''))) locked.push(name);
  }
  return locked;
}

async function showCreateUser(admin: AdminConnection, user: string, name: string): Promise<string> {
  const [row] = await admin.rows(`SHOW CREATE USER ${quoteAccount(user, name)}`, z.record(z.string(), z.string()), {
    what: `looking at the account ${user}@${name}`,
  });
  return Object.values(row ?? {})[0] ?? '';
}

/** Kedge would lock itself out, or drop its own account. */
async function refuseAdmin(admin: AdminConnection, account: DatabaseAccount): Promise<void> {
  const [current] = await admin.rows('SELECT CURRENT_USER() AS account', z.object({ account: z.string() }), {
    what: 'asking for the admin account',
  });
  if (account.hosts.some((name) => `${account.user}@${name}` === current?.account)) {
    throw new KedgeError('DatabaseRefused', `${account.user} is the admin account of database server ${admin.server}`, {
      server: admin.server,
      hint: 'Give the site a database account of its own.',
    });
  }
}

function requirement({ ssl_type, ssl_cipher, x509_issuer, x509_subject }: AccountOptions): string {
  if (ssl_type === 'ANY') return 'SSL';
  if (ssl_type === 'X509') return 'X509';
  if (ssl_type !== 'SPECIFIED') return 'NONE';
  return Object.entries({ CIPHER: ssl_cipher, ISSUER: x509_issuer, SUBJECT: x509_subject })
    .filter(([, value]) => value !== '')
    .map(([word, value]) => `${word} ${quoteLiteral(value)}`)
    .join(' AND ');
}

function limits(found: AccountOptions): string {
  const words = [
    `MAX_QUERIES_PER_HOUR ${found.max_questions}`,
    `MAX_UPDATES_PER_HOUR ${found.max_updates}`,
    `MAX_CONNECTIONS_PER_HOUR ${found.max_connections}`,
    `MAX_USER_CONNECTIONS ${found.max_user_connections}`,
  ];
  if (found.max_statement_time !== undefined) words.push(`MAX_STATEMENT_TIME ${found.max_statement_time}`);
  return words.join(' ');
}
