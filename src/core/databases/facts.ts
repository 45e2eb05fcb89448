import { dirname } from 'node:path';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import type { AdminConnection } from './admin-connection';
import type { DatabaseFacts, ImportConditions, ServerFacts } from './database-server';
import { eraOf } from './era';
import { readForcedKeys } from './forced-keys';
import { quoteIdentifier, quoteLiteral } from './identifiers';
import { isAtLeast } from './server-version';

const text = z.object({ name: z.string() });
const count = z.object({ value: z.coerce.number() });

/** What a restore has to know of a server, from its variables and information_schema. */
export async function readServerFacts(admin: AdminConnection): Promise<ServerFacts> {
  const context = { what: 'reading the facts of the server' };
  const [variables] = await admin.rows(
    `SELECT VERSION() AS version, @@datadir AS dataFolder, @@log_bin AS binaryLog, @@log_bin_basename AS binaryLogName, @@log_bin_trust_function_creators AS trusted,
      @@global.max_allowed_packet AS maxAllowedPacket,
      @@lower_case_table_names AS lowerCase,
      CONCAT_WS(' ', @@hostname, @@port, @@datadir) AS identity`,
    z.object({
      version: z.string(),
      dataFolder: z.string(),
      binaryLog: z.coerce.number(),
      binaryLogName: z.string().nullable(),
      trusted: z.coerce.number(),
      maxAllowedPacket: z.coerce.number(),
      lowerCase: z.coerce.number(),
      identity: z.string(),
    }),
    context,
  );
  if (!variables) throw new KedgeError('DatabaseRefused', `database server ${admin.server} tells nothing about itself`);
  const kind = /mariadb/i.test(variables.version) ? 'mariadb' : 'mysql';
  const charsets = await admin.rows(
    'SELECT CHARACTER_SET_NAME AS name FROM information_schema.CHARACTER_SETS',
    text,
    context,
  );
  const engines = await admin.rows(
    `SELECT LOWER(ENGINE) AS name FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')`,
    text,
    context,
  );
  const plugins = await admin.rows(
    `SELECT LOWER(PLUGIN_NAME) AS name, PLUGIN_TYPE AS type FROM information_schema.PLUGINS
      WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_TYPE IN ('DATA TYPE', 'FTPARSER', 'ENCRYPTION')`,
    z.object({ name: z.string(), type: z.string() }),
    context,
  );
  const pluginsOf = (type: string): string[] =>
    plugins.filter((plugin) => plugin.type === type).map(({ name }) => name);
  // MariaDB has collations that take their charset from the table; their full names are in another table.
  const fullName = kind === 'mariadb' ? await hasFullCollationNames(admin) : false;
  const collations = await admin.rows(
    `SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS
      UNION SELECT ${fullName ? 'FULL_COLLATION_NAME' : 'COLLATION_NAME'}
      FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY`,
    text,
    context,
  );
  return {
    version: variables.version,
    kind,
    charsets: withUtf8Aliases(charsets.map(({ name }) => name)),
    collations: withUtf8Aliases(collations.map(({ name }) => name)),
    engines: withEngineAliases(engines.map(({ name }) => name)),
    types: new Set([...pluginsOf('DATA TYPE'), ...(hasVectors(kind, variables.version) ? ['vector'] : [])]),
    parsers: new Set(pluginsOf('FTPARSER')),
    encrypts: pluginsOf('ENCRYPTION').length > 0,
    era: eraOf(variables.version),
    ignoresCase: variables.lowerCase > 0,
    allowsFunctionCreators: variables.binaryLog === 0 || variables.trusted === 1,
    dataFolder: variables.dataFolder,
    binaryLogFolder: variables.binaryLog === 1 && variables.binaryLogName ? dirname(variables.binaryLogName) : null,
    maxAllowedPacket: variables.maxAllowedPacket,
    forcedKeys: await readForcedKeys(admin),
    identity: variables.identity,
  };
}

/** What of a server decides whether a definition is taken. */
const DECIDING =
  `sql_mode lower_case_table_names innodb_strict_mode innodb_page_size innodb_file_per_table innodb_encrypt_tables innodb_default_row_format innodb_file_format
  innodb_read_only_compressed innodb_force_primary_key sql_require_primary_key default_storage_engine enforce_storage_engine
  character_set_server collation_server log_bin log_bin_trust_function_creators wsrep_on explicit_defaults_for_timestamp
  max_allowed_packet`.split(/\s+/);

const IDENTIFYING = ['hostname', 'port', 'datadir'];
/** Come and go. */
const WRITABLE = ['read_only', 'super_read_only', 'innodb_read_only'];

/** `DatabaseServer.importConditions`; its contract is there. */
export async function readImportConditions(admin: AdminConnection): Promise<ImportConditions> {
  const context = { what: 'reading what decides whether definitions are taken' };
  const pair = z.object({ Variable_name: z.string(), Value: z.string() });
  const names = ['version', ...IDENTIFYING, ...DECIDING, ...WRITABLE].map(quoteLiteral).join(', ');
  const found = await admin.rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`, pair, context);
  const variables = found.filter(({ Variable_name: name }) => !WRITABLE.includes(name));
  const engines = await admin.rows(
    `SELECT ENGINE AS name FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT') ORDER BY 1`,
    text,
    context,
  );
  const isOn = (name: string): boolean =>
    variables.some((each) => each.Variable_name === name && each.Value.toUpperCase() === 'ON');
  return {
    text: JSON.stringify([variables.map((each) => [each.Variable_name, each.Value]), engines.map(({ name }) => name)]),
    replicated: isOn('log_bin') || isOn('wsrep_on'),
    // MariaDB 12 has more words than ON.
    readOnly: found.some(({ Variable_name: name, Value }) => WRITABLE.includes(name) && !/^(?:OFF|0)$/i.test(Value)),
  };
}

function hasVectors(kind: ServerFacts['kind'], version: string): boolean {
  return isAtLeast(version, kind === 'mariadb' ? [11, 7] : [9]);
}

/** The server takes names of databases in any case. */
export async function ignoresCase(admin: AdminConnection): Promise<boolean> {
  const [row] = await admin.rows('SELECT @@lower_case_table_names AS value', count, {
    what: 'asking whether the case of names counts',
  });
  return row !== undefined && row.value > 0;
}

export async function databaseExists(admin: AdminConnection, database: string): Promise<boolean> {
  const found = await admin.rows(
    `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteLiteral(database)}`,
    text,
    { what: `looking for the database ${database}` },
  );
  return found.length > 0;
}

export async function databaseNames(admin: AdminConnection): Promise<string[]> {
  const found = await admin.rows('SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA', text, {
    what: 'listing databases',
  });
  return found.map(({ name }) => name);
}

/** @throws KedgeError DatabaseUnknown */
export async function describeDatabase(admin: AdminConnection, database: string): Promise<DatabaseFacts> {
  const context = { what: `describing the database ${database}` };
  const schema = quoteLiteral(database);
  const [defaults] = await admin.rows(
    `SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation
      FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${schema}`,
    z.object({ charset: z.string(), collation: z.string() }),
    context,
  );
  if (!defaults) {
    throw new KedgeError('DatabaseUnknown', `database server ${admin.server} has no database ${database}`, {
      server: admin.server,
    });
  }
  const tables = await admin.rows(
    `SELECT t.TABLE_NAME AS name, t.TABLE_TYPE AS type, t.ENGINE AS engine, COALESCE(t.TABLE_COMMENT, '') AS comment, COALESCE(t.DATA_LENGTH, 0) + COALESCE(t.INDEX_LENGTH, 0) AS bytes,
      e.TRANSACTIONS AS transactions
      FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
      WHERE t.TABLE_SCHEMA = ${schema} ORDER BY t.TABLE_NAME`,
    z.object({
      name: z.string(),
      type: z.string(),
      engine: z.string().nullable(),
      comment: z.string(),
      bytes: z.coerce.number(),
      transactions: z.string().nullable(),
    }),
    context,
  );
  const ofType = (...types: string[]) => tables.filter(({ type }) => types.includes(type));
  const views = ofType('VIEW').map(({ name }) => name);
  const base = ofType('BASE TABLE', 'SYSTEM VERSIONED');
  // The server lists a table that it cannot open without an engine, and says why in the place of its comment.
  const unreadable = base.filter(({ engine }) => engine === null);
  const events = await admin.rows(
    `SELECT EVENT_NAME AS name, STATUS AS status FROM information_schema.EVENTS
      WHERE EVENT_SCHEMA = ${schema} ORDER BY EVENT_NAME`,
    z.object({ name: z.string(), status: z.string() }),
    context,
  );
  return {
    ...defaults,
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
    tables: base.map(({ name }) => name),
    views,
    brokenViews: await findBrokenViews(admin, database, views),
    nonTransactionalTables: base
      .filter(({ engine, transactions }) => engine !== null && transactions !== 'YES')
      .map(({ name }) => name),
    unreadableTables: unreadable.map(({ name, comment }) => ({ name, why: comment })),
    versionedTables: ofType('SYSTEM VERSIONED').map(({ name }) => name),
    events: events.map(({ name, status }) => ({ name, enabled: status === 'ENABLED' })),
    routines: await countRows(admin, `information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ${schema}`, context.what),
    triggers: await countRows(admin, `information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ${schema}`, context.what),
  };
}

/** Views the server cannot open. `SHOW FIELDS` is what dump programs ask first, and what they end on. */
async function findBrokenViews(admin: AdminConnection, database: string, views: readonly string[]): Promise<string[]> {
  const broken: string[] = [];
  for (const view of views) {
    const what = `looking at the view ${database}.${view}`;
    const error = await admin.tryStatement(`SHOW FIELDS FROM ${quoteIdentifier(database)}.${quoteIdentifier(view)}`, {
      what,
    });
    // ER_VIEW_INVALID, or whatever the server says of a table that the view reads.
    if (error !== undefined) broken.push(view);
  }
  return broken;
}

async function countRows(admin: AdminConnection, from: string, what: string): Promise<number> {
  const [counted] = await admin.rows(`SELECT COUNT(*) AS value FROM ${from}`, count, { what });
  return counted?.value ?? 0;
}

async function hasFullCollationNames(admin: AdminConnection): Promise<boolean> {
  const columns = await countRows(
    admin,
    `information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema'
      AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'FULL_COLLATION_NAME'`,
    'reading the collations of the server',
  );
  return columns > 0;
}

/** Servers call utf8mb3 by either name, and take both. */
function withUtf8Aliases(names: readonly string[]): ReadonlySet<string> {
  const all = new Set(names);
  for (const name of names) {
    if (/^utf8mb3(_|$)/.test(name)) all.add(name.replace(/^utf8mb3/, 'utf8'));
    if (/^utf8(_|$)/.test(name)) all.add(name.replace(/^utf8/, 'utf8mb3'));
  }
  return all;
}

/** Names that servers take for engines they list by another one (`sql/handler.cc`, `sys_table_aliases`). */
const ENGINE_ALIASES: Readonly<Record<string, readonly string[]>> = {
  innodb: ['innobase'],
  memory: ['heap'],
  mrg_myisam: ['merge'],
  aria: ['maria'],
};

function withEngineAliases(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.flatMap((name) => [name, ...(ENGINE_ALIASES[name] ?? [])]));
}
