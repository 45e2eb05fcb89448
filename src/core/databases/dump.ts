import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress } from '../../contract/target';
import { findingsOf, firstOf } from '../findings';
import { diskFullOr } from '../hosts/disk-full';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { breakOff } from '../streams';
import type { AdminConnection } from './admin-connection';
import type { ClientPrograms } from './client-program';
import type { DatabaseFacts, DumpOptions, DumpResult, ServerFacts } from './database-server';
import { statementsOfADump } from './dump-conditions';
import { DefinitionsDigest } from './definitions-digest';
import { namedOf } from './dump-census';
import { DumpFilter, type FilteredDump } from './dump-filter';
import { type Refusal, describeRefusal, printable } from './dump-refusal';
import { supplementOf } from './dump-supplement';
import { describeDatabase, ignoresCase, readServerFacts } from './facts';
import { ExactRows } from './exact-rows';
import { tablesWithoutKey } from './forced-keys';
import { quoteIdentifier, quoteLiteral } from './identifiers';
import { findInexactTables } from './inexact-tables';
import { longRowBytesFor } from './sent-rows';
import { type ServerContents, lackingNames, namesOf, readServerContents } from './server-contents';
import { clientError, codeOfNumber, isConnectionError } from './sql-errors';
import { type Created, type HeadRules, rewriteHead } from './statement-head';
import { DumpComplaints, tablesUnreadable, unreadableTablesOf } from './unreadable-tables';

export interface ClientContext {
  readonly admin: AdminConnection;
  readonly address: DatabaseServerAddress;
  readonly adminPassword: string | undefined;
  readonly host: MasterHost;
  /** From where the server is reached. */
  readonly from: Host;
  readonly compresses: boolean;
  readonly programs: ClientPrograms;
}

const OPTIONS = [
  '--single-transaction',
  '--quick',
  '--no-autocommit',
  '--routines',
  '--events',
  '--triggers',
  '--no-tablespaces',
  // Values come as the bytes that they are.
  '--default-character-set=binary',
  '--max-allowed-packet=1G',
];

/** Where the tables lie is left in: it says how the site was. */
const DUMP_RULES: HeadRules = { disableEvents: false, database: undefined, cutDirectories: false };
const REFUSALS_NAMED = 5;
const DOUBTS_NAMED = 20;

/** `DatabaseServer.dump`; its contract is there. */
export async function dumpDatabase(
  context: ClientContext,
  database: string,
  output: Writable,
  operation: Operation,
  { without, definitionsOnly = false, dumpedBefore }: DumpOptions = {},
): Promise<DumpResult> {
  const { admin } = context;
  const known = new Set(without);
  try {
    const found = await describeDatabase(admin, database);
    const unreadable = found.unreadableTables.filter(({ name }) => !known.has(name));
    if (unreadable.length > 0) throw tablesUnreadable(database, admin.server, unreadable);
    const facts = {
      ...found,
      tables: found.tables.filter((name) => !known.has(name)),
      brokenViews: await viewsWithout(admin, database, found, known),
    };
    const live = await readServerContents(admin, database);
    const unlocked = findingsOf(
      operation.log,
      `tables of ${database} that are not transactional, so that writes during the dump may show in them`,
      facts.nonTransactionalTables,
    );
    const before = unlocked === null ? undefined : await dumpedBefore?.();
    const isRepeated = facts.nonTransactionalTables.every((table) => before?.has(table));
    if (unlocked !== null && isRepeated) operation.log.info(unlocked);
    else if (unlocked !== null) operation.log.warn(unlocked);
    const server = await readServerFacts(admin);
    if (server.forcedKeys !== null) {
      const keyless = await tablesWithoutKey(admin, database, server.forcedKeys);
      const what = `tables of ${database} without the key that ${server.forcedKeys.by} of the server forces, so that no restore onto it takes them`;
      const said = findingsOf(operation.log, what, keyless);
      if (said !== null) operation.log.warn(said);
    }
    const contents = await runDump(context, database, facts, server, output, operation, {
      ...{ without, definitionsOnly },
      supplement: await supplementOf(admin, database, live.sequences, operation),
    });
    await checkDump(admin, database, live, { brokenViews: facts.brokenViews, without }, contents);
    const { version } = server;
    return {
      bytes: contents.bytes,
      definitions: contents.definitions,
      elsewhere: contents.elsewhere,
      repeated: unlocked !== null && isRepeated ? [unlocked] : [],
      summary: {
        charset: facts.charset,
        collation: facts.collation,
        serverVersion: version,
        tables: [...contents.tables].map(([name, rows]) => ({ name, rows })),
        enabledEvents: [...contents.enabledEvents],
        ...namedOf(contents),
      },
    };
  } catch (error) {
    output.destroy();
    throw error;
  }
}

async function runDump(
  context: ClientContext,
  database: string,
  facts: DatabaseFacts,
  server: ServerFacts,
  output: Writable,
  operation: Operation,
  {
    without,
    definitionsOnly,
    supplement,
  }: { without: readonly string[] | undefined; definitionsOnly: boolean; supplement: readonly string[] },
): Promise<FilteredDump & Pick<DumpResult, 'definitions' | 'elsewhere'>> {
  const { admin, address, host, from, compresses, programs } = context;
  const { program, help } = await programs.find(['mariadb-dump', 'mysqldump'], operation);
  const tooLong = new Set<string>();
  const onLongValue = (table: string | undefined, bytes: number): void => {
    if (bytes > server.maxAllowedPacket) tooLong.add(table ?? '');
  };
  const { exact, options } = await planExactRows(
    context,
    database,
    facts,
    server,
    help,
    { onLongValue, definitionsOnly },
    operation,
  );
  const brokenViews = await describeBrokenViews(admin, database, facts.brokenViews, operation);
  const refused: Refusal[] = [];
  const doubts: string[] = [];
  let doubtful = 0;
  const definitions = new DefinitionsDigest();
  let begun: Promise<void> | undefined;
  const addStatements = statementsOfADump();
  async function* rowsOf(table: string, counted: (rows: number) => void): AsyncGenerator<Buffer> {
    await begun;
    try {
      yield* exact.statements(table, counted);
    } catch (error) {
      operation.signal.throwIfAborted();
      if (!isKedgeError(error) || error.code !== 'DatabaseRefused') throw error;
      throw tablesUnreadable(database, admin.server, [{ name: table, why: error.message }]);
    }
  }
  const filter = new DumpFilter({
    rules: { ...DUMP_RULES, database, ignoreCase: await ignoresCase(admin) },
    onStatement: (statement) => definitions.add(statement),
    onNames: (created, names) => {
      definitions.name(names.elsewhere);
      if (names.doubts.length === 0) return;
      doubtful += 1;
      if (doubts.length < DOUBTS_NAMED) doubts.push(describeDoubts(created, names.doubts));
    },
    onRefused: (refusal) => {
      if (refused.length < REFUSALS_NAMED) refused.push(refusal);
    },
    beforeTrailer: supplement.map((statement) => `${statement};\n`).join('') + brokenViews,
    longRowBytes: longRowBytesFor(server.maxAllowedPacket),
    onLongValue,
    before: (next) => {
      if (begun === undefined && next.firstWord !== 'SET') {
        begun = exact.begin();
        begun.catch(() => undefined);
      }
      return addStatements(next);
    },
    behind: (table, counted) => (exact.has(table) ? rowsOf(table, counted) : undefined),
    onProgress: (_bytesIn, bytes) => operation.progress({ bytes }),
  });
  await exact.hold();
  const written = pipeline(filter, output);
  const complaints = new DumpComplaints();
  const run = programs.run({
    ...{ address, from, compresses, program },
    arguments: [
      ...OPTIONS,
      // Clients of MySQL would add statements that only an admin can run, and ask for what MariaDB does not have.
      ...(help.includes('--set-gtid-purged') ? ['--set-gtid-purged=OFF'] : []),
      ...(help.includes('--column-statistics') ? ['--skip-column-statistics'] : []),
      ...options,
      ...(definitionsOnly ? ['--no-data'] : []),
      ...[...facts.brokenViews, ...(without ?? [])].map((table) => `--ignore-table=${database}.${table}`),
      // Behind a table that cannot be read may be others.
      ...(without === undefined ? [] : ['--force']),
      '--',
      database,
    ],
    user: address.admin.user,
    password: context.adminPassword,
    output: filter,
    onErrorOutput: (chunk) => complaints.take(chunk),
    operation,
  });
  run.catch((error: unknown) => breakOff(filter, error));
  const [ran, flowed] = await Promise.allSettled([run, written]).finally(() => exact.close());
  // Its failure is the cause of all others.
  await begun;
  // Of a table whose rows Kedge reads by itself.
  if (flowed.status === 'rejected' && unreadableTablesOf(flowed.reason).length > 0) throw flowed.reason;
  if (ran.status === 'rejected') {
    operation.signal.throwIfAborted();
    const unreadable = complaints.tables();
    if (unreadable.length > 0) throw tablesUnreadable(database, admin.server, unreadable);
    throw await dumpFailure(ran.reason, program, database, admin);
  }
  // A small dump is written when its program has ended.
  if (flowed.status === 'rejected') throw diskFullOr(flowed.reason, host.name);
  if (refused.length > 0) {
    operation.log.warn(
      `a restore will refuse the dump of ${database}, for it holds ${refused.map(describeRefusal).join('; ')}`,
    );
  }
  const beyond = findingsOf(
    operation.log,
    `tables of ${database} with a value above max_allowed_packet of the server (${server.maxAllowedPacket} bytes), so that no restore onto it takes them`,
    tooLong,
  );
  if (beyond !== null) operation.log.warn(beyond);
  const illFormed = findingsOf(
    operation.log,
    `columns of ${database} with text whose bytes are no letters of its character set, so that no server takes it back as it is`,
    filter.contents.illFormed.keys(),
  );
  if (illFormed !== null) operation.log.warn(illFormed);
  if (doubtful > 0) {
    operation.log.warn(
      `definitions of ${database} may mean this database where Kedge cannot tell; after a restore, which gives it another name, they still say ${database}: ${doubts.join('; ')}${doubtful > doubts.length ? `; and ${doubtful - doubts.length} more` : ''}`,
    );
  }
  for (const statement of supplement) definitions.add(Buffer.from(statement, 'utf8').toString('latin1'));
  return { ...filter.contents, definitions: definitions.digest(), elsewhere: definitions.elsewhere };
}

function describeDoubts(created: Created | undefined, doubts: readonly string[]): string {
  const what = created ? `the ${created.kind} ${created.name}` : 'a table';
  return `${what} at ${[...new Set(doubts)].slice(0, 3).map(printable).join(' and ')}`;
}

/** The tables whose rows Kedge reads by itself, and what the dump program is told of them and of history. */
async function planExactRows(
  { admin }: ClientContext,
  database: string,
  facts: DatabaseFacts,
  server: ServerFacts,
  help: string,
  { onLongValue, definitionsOnly }: { onLongValue: (table: string, bytes: number) => void; definitionsOnly: boolean },
  operation: Operation,
): Promise<{ exact: ExactRows; options: string[] }> {
  const knowsHistory = help.includes('--dump-history');
  const found = await findInexactTables(admin, database, facts, server, knowsHistory);
  const warn = (what: string, tables: readonly string[]): void => {
    const said = findingsOf(operation.log, what, tables);
    if (said !== null) operation.log.warn(said);
  };
  warn(`system-versioned tables of ${database} whose history is not in the dump`, found.withoutHistory);
  const leavesRowsOut = help.includes('--ignore-table-data');
  warn(
    `tables of ${database} with values that may come back rounded or as others: the dump program cannot leave them to Kedge`,
    leavesRowsOut ? [] : found.tables.map(({ name }) => name),
  );
  const tables = leavesRowsOut && !definitionsOnly ? found.tables : [];
  return {
    exact: new ExactRows(admin, database, tables, operation, longRowBytesFor(server.maxAllowedPacket), onLongValue),
    options: [
      ...(found.dumpHistory ? ['--dump-history'] : []),
      ...tables.map(({ name }) => `--ignore-table-data=${database}.${name}`),
    ],
  };
}

/**
 * A backup whose dump lacks something is none.
 * @throws KedgeError DumpInvalid, DefinitionsChanged for what has been dropped meanwhile
 */
async function checkDump(
  admin: AdminConnection,
  database: string,
  live: ServerContents,
  { brokenViews, without }: { brokenViews: readonly string[]; without: readonly string[] | undefined },
  contents: FilteredDump,
): Promise<void> {
  const { server } = admin;
  const context = { server, hint: 'Look at the database server, then back up again.' };
  const name = `the dump of ${database} from ${server}`;
  if (!contents.complete) throw new KedgeError('DumpInvalid', `${name} does not end with its trailer`, context);
  if (contents.notMade.length > 0) {
    const what = `${name} has rows of the tables ${firstOf(contents.notMade)}, and does not define them`;
    throw new KedgeError('DumpInvalid', what, context);
  }
  const lackingOf = (wanted: ServerContents): string[] => {
    const names = namesOf(wanted);
    const views = names.views.filter((view) => !brokenViews.includes(view));
    const tables = names.tables.filter((table) => without?.includes(table) !== true);
    // With a table its triggers are missing, and the program goes on behind whatever else cannot be read.
    const held = without === undefined ? { ...names, views } : { tables, views };
    return lackingNames(held, namesOf(contents), { ignoreCase: false, list: firstOf });
  };
  const lacking = lackingOf(live);
  if (lacking.length === 0) return;
  const still = lackingOf(await readServerContents(admin, database));
  if (still.length > 0) throw new KedgeError('DumpInvalid', `${name} lacks ${still.join('; ')}`, context);
  throw new KedgeError('DefinitionsChanged', `${name} lacks ${lacking.join('; ')}, which are gone by now`, { server });
}

/**
 * Views that a server cannot create where tables are missing: the broken ones, and those whose definition names such a table or
 * such a view. What only has its name is taken for it.
 */
async function viewsWithout(
  admin: AdminConnection,
  database: string,
  { views, brokenViews }: DatabaseFacts,
  missing: ReadonlySet<string>,
): Promise<string[]> {
  const without = new Set(brokenViews);
  if (missing.size === 0) return [...without];
  const definitions = new Map<string, string>();
  await admin.inDatabase(database, { what: `reading the views of ${database}` }, async (rows) => {
    for (const view of views.filter((name) => !without.has(name))) {
      const [row] = await rows(`SHOW CREATE VIEW ${quoteIdentifier(view)}`, z.object({ 'Create View': z.string() }));
      definitions.set(view, row?.['Create View'] ?? '');
    }
  });
  for (let before = -1; before < without.size;) {
    before = without.size;
    const names = [...missing, ...without].map(quoteIdentifier);
    for (const [view, definition] of definitions)
      if (names.some((name) => definition.includes(name) && name !== quoteIdentifier(view))) without.add(view);
  }
  return [...without];
}

/**
 * No server creates a view whose tables are gone, so their definitions go into the dump as comments: for whoever brings
 * the tables back.
 */
async function describeBrokenViews(
  admin: AdminConnection,
  database: string,
  views: readonly string[],
  operation: Operation,
): Promise<string> {
  const broken = findingsOf(
    operation.log,
    `views of ${database} that refer to what is gone; their definitions are kept in the dump as comments`,
    views,
  );
  if (broken === null) return '';
  operation.log.warn(broken);
  return admin.inDatabase(database, { what: `reading the broken views of ${database}` }, async (rows) => {
    const lines: string[] = [];
    for (const view of views) {
      const [definition] = await rows(
        `SHOW CREATE VIEW ${quoteIdentifier(view)}`,
        z.object({ 'Create View': z.string() }),
      ).catch((error: unknown) => {
        if (isConnectionError(error)) throw error;
        // It reads a table that the server cannot open.
        return [];
      });
      if (definition === undefined) {
        lines.push(`The definition of the view ${view} cannot be read.`);
        continue;
      }
      const statement = Buffer.from(definition['Create View'], 'utf8').toString('latin1');
      const { text } = rewriteHead(statement, DUMP_RULES);
      lines.push(
        `Definition of a view that refers to what is gone:`,
        `${Buffer.from(text, 'latin1').toString('utf8')};`,
      );
    }
    return `${lines
      .flatMap((line) => line.split(/[\r\n]+/))
      .map((line) => `-- ${line}`)
      .join('\n')}\n\n`;
  });
}

async function dumpFailure(
  error: unknown,
  program: string,
  database: string,
  admin: AdminConnection,
): Promise<unknown> {
  if (!isKedgeError(error) || error.code !== 'ProgramFailed') return error;
  const { server } = admin;
  const { number, message } = clientError(error.message);
  const code = codeOfNumber(number);
  const what = `${program} could not dump ${database} from database server ${server}: ${message}`;
  if (await definitionsChanged(admin, database, number, message)) {
    return new KedgeError('DefinitionsChanged', what, { server });
  }
  return new KedgeError(code === 'DatabaseRefused' ? 'ProgramFailed' : code, what, { server });
}

/** ER_TABLE_DEF_CHANGED and ER_NO_SUCH_TABLE. */
const TABLE_CHANGED = 1412;
const NO_SUCH_TABLE = 1146;
const LOOK_AGAIN_MS = 500;

/**
 * The dump program met a table that was rebuilt while it ran. A table that the server lists and cannot open, now and a moment
 * later, is broken instead.
 */
async function definitionsChanged(
  admin: AdminConnection,
  database: string,
  number: number | undefined,
  message: string,
): Promise<boolean> {
  if (number === TABLE_CHANGED || message.includes(`Error ${TABLE_CHANGED}`)) return true;
  const isGone = number === NO_SUCH_TABLE || /couldn't read status information for table/i.test(message);
  const table = /table '[^']*?\.([^']+)' doesn't exist|for table (\S+) \(/i.exec(message)?.slice(1).find(Boolean);
  if (!isGone || table === undefined) return false;
  const what = `looking whether ${database} has changed`;
  for (let look = 0; look < 2; look += 1) {
    if (look > 0) await delay(LOOK_AGAIN_MS, undefined, admin.signal ? { signal: admin.signal } : {});
    const [listed] = await admin.rows(
      `SELECT COUNT(*) AS value FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = ${quoteLiteral(database)} AND TABLE_NAME = ${quoteLiteral(table)}`,
      z.object({ value: z.coerce.number() }),
      { what },
    );
    if (listed?.value === 0) return true;
    const name = `${quoteIdentifier(database)}.${quoteIdentifier(table)}`;
    if ((await admin.tryStatement(`SHOW FIELDS FROM ${name}`, { what })) === undefined) return true;
  }
  return false;
}
