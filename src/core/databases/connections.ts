import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { monotonicMs } from '../clock';
import { KedgeError } from '../../contract/errors';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount } from './database-server';
import { quoteLiteral } from './identifiers';
import { databaseError, numberOf } from './sql-errors';

const connection = z.object({ id: z.coerce.number(), host: z.string() });
type OpenConnection = z.infer<typeof connection>;

/** A killed connection may have a transaction to roll back first. */
const DEADLINE_MS = 60_000;
const POLL_MS = 50;
/** ER_NO_SUCH_THREAD. */
const NO_SUCH_THREAD = 1094;

/**
 * Ends the connections of an account that cannot connect any more, and waits until none is left: no statement of theirs is
 * executed after this. `otherHosts` are hosts at which another account has the same user name; connections that
 * can only be theirs are left alone.
 * @throws KedgeError DatabaseRefused when one does not end
 */
export async function endAccountConnections(
  admin: AdminConnection,
  account: DatabaseAccount,
  otherHosts: readonly string[],
): Promise<void> {
  const isAnothers = (host: string): boolean => {
    const name = host.replace(/:\d+$/, '');
    return otherHosts.includes(name) && !account.hosts.some((pattern) => hostMatches(pattern, name));
  };
  await endAll(admin, `USER = ${quoteLiteral(account.user)}`, `the account ${account.user}`, isAnothers);
}

/** Ends the connections whose current database this is. */
export async function endDatabaseConnections(admin: AdminConnection, database: string): Promise<void> {
  await endAll(admin, `DB = ${quoteLiteral(database)}`, `the database ${database}`, () => false);
}

async function endAll(
  admin: AdminConnection,
  condition: string,
  whose: string,
  isAnothers: (host: string) => boolean,
): Promise<void> {
  const what = `ending the connections of ${whose}`;
  const deadline = monotonicMs() + DEADLINE_MS;
  // A login that was let in just before the lock shows under its name a moment later: nobody is to be seen twice in a row.
  for (let unseen = 0; unseen < 2;) {
    const open = (await listConnections(admin, condition, what)).filter(({ host }) => !isAnothers(host));
    unseen = open.length === 0 ? unseen + 1 : 0;
    if (open.length > 0 && monotonicMs() > deadline) {
      throw new KedgeError(
        'DatabaseRefused',
        `${open.length} connections of ${whose} do not end on database server ${admin.server}`,
        { server: admin.server, hint: 'See SHOW PROCESSLIST; a long transaction may be rolled back.' },
      );
    }
    for (const { id } of open) {
      const error = await admin.tryStatement(`KILL CONNECTION ${id}`, { what });
      if (error !== undefined && numberOf(error) !== NO_SUCH_THREAD) throw databaseError(error, admin.server, what);
    }
    if (unseen < 2) await delay(POLL_MS);
  }
}

async function listConnections(admin: AdminConnection, condition: string, what: string): Promise<OpenConnection[]> {
  return admin.rows(
    `SELECT ID AS id, COALESCE(HOST, '') AS host FROM information_schema.PROCESSLIST
      WHERE ${condition} AND ID <> CONNECTION_ID()`,
    connection,
    { what },
  );
}

/** Host patterns of accounts: `%` and `_`, and `address/netmask`, which is taken to match. */
function hostMatches(pattern: string, host: string): boolean {
  if (pattern.includes('/')) return true;
  const expression = pattern
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.');
  return new RegExp(`^${expression}$`, 'i').test(host);
}
