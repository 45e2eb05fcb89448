import { z } from 'zod';
import { monotonicMs } from '../clock';
import { KedgeError } from '../../contract/errors';
import { firstOf } from '../findings';
import type { Operation } from '../operation';
import type { AdminConnection } from './admin-connection';
import type { DumpContents } from './dump-census';
import { quoteIdentifier } from './identifiers';
import { lostOfDefinitions } from './imported-definitions';
import { type ServerContents, lackingNames, namesOf, readServerContents } from './server-contents';
import { databaseError, numberOf } from './sql-errors';

/** Whose rows can be counted: what was sent is there. BLACKHOLE is among them, for a dump has no rows for it. */
const COUNTED_ENGINES = new Set('innodb myisam aria memory heap csv archive blackhole rocksdb tokudb'.split(' '));
/** So long one table may be counted, ms, and all of them together. Those with the fewest rows come first. */
const ONE_TABLE_MS = 1_000;
const ALL_TABLES_MS = 10_000;
/** ER_STATEMENT_TIMEOUT of MariaDB, ER_QUERY_TIMEOUT of MySQL. */
const TIMED_OUT = new Set([1969, 3024]);

/**
 * Holds a database against the dump that was imported into it: tables and their rows, views, sequences, triggers, routines, events. Rows
 * of large tables, of history, and of tables that are made of others are not counted; none are where only definitions were sent.
 * @throws KedgeError ImportFailed for whatever is not there
 */
export async function checkImported(
  admin: AdminConnection,
  database: string,
  sent: DumpContents,
  { ignoreCase, withRows, madeOn }: { ignoreCase: boolean; withRows: boolean; madeOn?: string | undefined },
  operation: Operation,
): Promise<void> {
  const failed = (what: string): KedgeError =>
    new KedgeError('ImportFailed', `what was imported into ${database} is not what the dump holds: ${what}`, {
      server: admin.server,
      hint: 'Look at the log of the database server, and at what it does to tables and rows by itself; the site is unchanged.',
    });
  if (sent.dropped.length > 0) throw failed(`the dump itself drops its tables ${firstOf(sent.dropped)} again`);
  const held = await readServerContents(admin, database);
  const lacking = lackingNames(namesOf(sent), namesOf(held), { ignoreCase, list: firstOf });
  if (lacking.length > 0) throw failed(`there are not ${lacking.join('; ')}`);
  await checkDefinitions(admin, database, sent, { ignoreCase, madeOn, failed }, operation);
  if (!withRows) return;
  const wrong: string[] = [];
  let uncounted = 0;
  const begun = monotonicMs();
  for (const { name, rows, fewerMayBe } of countable(sent, held, ignoreCase)) {
    operation.signal.throwIfAborted();
    const found = monotonicMs() - begun < ALL_TABLES_MS ? await countRows(admin, database, name) : undefined;
    if (found === undefined) uncounted += 1;
    else if (fewerMayBe ? found > rows || (found === 0 && rows > 0) : found !== rows)
      wrong.push(`${name} (${found} of ${rows})`);
  }
  if (wrong.length > 0) throw failed(`rows are not those that were sent in ${firstOf(wrong)}`);
  if (uncounted > 0)
    operation.log.info(`large tables of ${database} whose rows were counted only while they were sent: ${uncounted}`);
}

/**
 * Holds the definitions of tables against those that were sent: what the server of the dump's own version does not have is a failure, what one
 * of another version does not have a warning.
 */
async function checkDefinitions(
  admin: AdminConnection,
  database: string,
  { tableDefinitions: definitions }: DumpContents,
  {
    ignoreCase,
    madeOn,
    failed,
  }: { ignoreCase: boolean; madeOn: string | undefined; failed: (what: string) => KedgeError },
  operation: Operation,
): Promise<void> {
  // Nobody knows who wrote it.
  if (madeOn === undefined || ignoreCase || definitions.size === 0) return;
  const [server] = await admin.rows('SELECT VERSION() AS version', z.object({ version: z.string() }), {
    what: 'asking for the version',
  });
  const sameVersion = server?.version === madeOn;
  const lost = await lostOfDefinitions(admin, database, definitions, { sameVersion });
  if (lost.length === 0) return;
  if (sameVersion) throw failed(`definitions lack ${firstOf(lost)}`);
  operation.log.warn(
    `tables of ${database} are not defined as in the dump, which server version ${madeOn} wrote; they lack ${firstOf(lost)}`,
  );
}

function countable(
  sent: DumpContents,
  held: ServerContents,
  ignoreCase: boolean,
): { name: string; rows: number; fewerMayBe: boolean }[] {
  const fold = (name: string): string => (ignoreCase ? name.toLowerCase() : name);
  const rowsOf = new Map<string, number>();
  for (const [name, rows] of sent.tables) rowsOf.set(fold(name), (rowsOf.get(fold(name)) ?? 0) + rows);
  const replaced = new Set(sent.replaced.map(fold));
  return held.tables
    .filter(({ engine, versioned }) => !versioned && COUNTED_ENGINES.has(engine.toLowerCase()))
    .flatMap(({ name }) => {
      const rows = rowsOf.get(fold(name));
      return rows === undefined ? [] : [{ name, rows, fewerMayBe: replaced.has(fold(name)) }];
    })
    .toSorted((one, other) => one.rows - other.rows);
}

/** Undefined where it would take too long. */
async function countRows(admin: AdminConnection, database: string, table: string): Promise<number | undefined> {
  const what = `counting the rows of ${database}.${table}`;
  const limit = `/*M!100100 SET STATEMENT max_statement_time=${ONE_TABLE_MS / 1000} FOR */`;
  const hint = `/*+ MAX_EXECUTION_TIME(${ONE_TABLE_MS}) */`;
  const counted = await admin.tryRows(
    `${limit} SELECT ${hint} COUNT(*) AS value FROM ${quoteIdentifier(database)}.${quoteIdentifier(table)}`,
    z.object({ value: z.coerce.number() }),
    { what },
  );
  if ('rows' in counted) return counted.rows[0]?.value;
  if (TIMED_OUT.has(numberOf(counted.error) ?? 0)) return undefined;
  throw databaseError(counted.error, admin.server, what);
}
