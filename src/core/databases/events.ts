import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount } from './database-server';
import { quoteAccount, quoteIdentifier, quoteLiteral } from './identifiers';
import { databaseError, numberOf } from './sql-errors';

/** ER_EVENT_DOES_NOT_EXIST; ER_EVENT_CANNOT_ALTER_IN_THE_PAST: it ran once, and is over. */
const NOTHING_TO_ENABLE = [1539, 1589];

/** Names of the events of a database that are switched on, or of all. */
export async function listEvents(
  admin: AdminConnection,
  database: string,
): Promise<{ name: string; enabled: boolean; definer: string }[]> {
  const rows = await admin.rows(
    `SELECT EVENT_NAME AS name, STATUS AS status, DEFINER AS definer FROM information_schema.EVENTS
      WHERE EVENT_SCHEMA = ${quoteLiteral(database)} ORDER BY EVENT_NAME`,
    z.object({ name: z.string(), status: z.string(), definer: z.string() }),
    { what: `listing the events of ${database}` },
  );
  return rows.map(({ name, status, definer }) => ({ name, enabled: status === 'ENABLED', definer }));
}

/** Switches an event on or off under a definer; a plain ALTER would make the admin account its definer. */
export async function switchEvent(
  admin: AdminConnection,
  database: string,
  event: string,
  definer: { user: string; host: string },
  to: 'ENABLE' | 'DISABLE',
): Promise<void> {
  const what = `switching the event ${database}.${event} ${to === 'ENABLE' ? 'on' : 'off'}`;
  const error = await admin.tryStatement(
    `ALTER DEFINER=${quoteAccount(definer.user, definer.host)} EVENT
      ${quoteIdentifier(database)}.${quoteIdentifier(event)} ${to}`,
    { what },
  );
  if (error === undefined || NOTHING_TO_ENABLE.includes(numberOf(error) ?? 0)) return;
  throw databaseError(error, admin.server, what);
}

/** Switches events on, each under the account at the first of its hosts. Events that are over are passed over. */
export async function enableEvents(
  admin: AdminConnection,
  database: string,
  events: readonly string[],
  definer: DatabaseAccount,
): Promise<void> {
  const [host = 'localhost'] = definer.hosts;
  for (const event of events) await switchEvent(admin, database, event, { user: definer.user, host }, 'ENABLE');
}
