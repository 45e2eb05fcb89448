import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { monotonicMs } from '../clock';
import { isKedgeError, KedgeError } from '../../contract/errors';
import { firstOf } from '../findings';
import type { MasterHost, OpenFile } from '../hosts/master-host';
import type { Operation } from '../operation';
import type { AdminConnection } from './admin-connection';
import { endAccountConnections } from './connections';
import type { ImportResult } from './database-server';
import type { ClientContext } from './dump';
import { statementsOfAnImport } from './dump-conditions';
import type { DumpContents } from './dump-census';
import { DumpFilter } from './dump-filter';
import { describeRefusal, printable } from './dump-refusal';
import { listEvents, switchEvent } from './events';
import { quoteLiteral, splitAccount } from './identifiers';
import { RowWarnings } from './row-warnings';
import { INITIAL_SQL_MODE } from './session-settings';
import { longRowBytesFor } from './sent-rows';
import { clientError, codeOfNumber } from './sql-errors';
import { databaseOfHeader, versionOfHeader } from './dump-header';
import { ignoresCase } from './facts';
import { checkImported } from './imported-contents';
import { type HeadRules, IMPORT_RULES } from './statement-head';

export interface Import {
  readonly dumpPath: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly operation: Operation;
  /** Leave out the rows. */
  readonly definitionsOnly?: boolean;
  /** Let question marks take the place of bytes that are no letters. */
  readonly replaceText?: boolean;
  /** An import of which the client takes no byte for so many ms is ended. Default: ten minutes. */
  readonly silenceLimitMs?: number | undefined;
}

const TAIL_BYTES = 4096;
const HEADER_BYTES = 4096;
const WATCH_INTERVAL_MS = 5_000;
/** So long one statement of a dump may take. Keys of a large table are built in less. */
const SILENCE_LIMIT_MS = 10 * 60_000;
/**
 * What an old server, or a session without checks, let in is let in again: rows that break a check, rows too wide for a page, row
 * formats. Only for the session of the import.
 */
const WITHOUT_CHECKS = ['innodb_strict_mode', 'check_constraint_checks', 'foreign_key_checks', 'unique_checks'];

/** `DatabaseServer.importDump`; its contract is there. */
export async function importDump(context: ClientContext, request: Import): Promise<ImportResult> {
  const { bytes, database, madeOn } = await checkDumpFile(context.host, request.dumpPath);
  const ignoreCase = await ignoresCase(context.admin);
  const rules = {
    ...IMPORT_RULES,
    database,
    newName: request.database,
    ignoreCase,
    cutRows: request.definitionsOnly ?? false,
  };
  const sent = await runImport(context, request, bytes, rules);
  const enabledEvents = await settleEvents(context, request.database, sent.enabledEvents);
  await checkImported(
    context.admin,
    request.database,
    sent,
    { ignoreCase, withRows: !rules.cutRows, madeOn },
    request.operation,
  );
  return { bytes, enabledEvents };
}

/**
 * Looks at the ends of a dump before anything of it is sent. Returns its bytes, and the database and version of a server that its header names.
 * @throws KedgeError DumpInvalid
 */
async function checkDumpFile(
  master: MasterHost,
  path: string,
): Promise<{ bytes: number; database: string | undefined; madeOn: string | undefined }> {
  const file = await openDump(master, path);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new KedgeError('DumpInvalid', `the dump ${path} is no file`);
    const { size } = status;
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await file.read(tail, 0, tail.length, size - tail.length);
    if (tail.toString('latin1').trim() === '') throw new KedgeError('DumpInvalid', `the dump ${path} is empty`);
    if (!/(?:^|\n)-- Dump completed[^\n]*\s*$/.test(tail.toString('latin1'))) {
      throw new KedgeError('DumpInvalid', `the dump ${path} is cut short: its last line is missing`);
    }
    const header = Buffer.alloc(Math.min(size, HEADER_BYTES));
    await file.read(header, 0, header.length, 0);
    return { bytes: size, database: databaseOfHeader(header), madeOn: versionOfHeader(header) };
  } finally {
    await file.close();
  }
}

async function openDump(master: MasterHost, path: string): Promise<OpenFile> {
  return master.openForReading(path).catch((error: unknown) => {
    throw new KedgeError('DumpInvalid', `the dump ${path} cannot be opened`, { cause: error });
  });
}

/** Returns what was sent. */
async function runImport(
  context: ClientContext,
  request: Import,
  totalBytes: number,
  rules: HeadRules,
): Promise<DumpContents> {
  const { dumpPath, database, user, password, operation } = request;
  const { program, help } = await context.programs.find(['mariadb', 'mysql'], operation);
  const silenceLimitMs = request.silenceLimitMs ?? SILENCE_LIMIT_MS;
  const { settings, maxAllowedPacket } = await sessionSettings(context.admin);
  const begunAt = monotonicMs();
  let takenAt = begunAt;
  /** Why Kedge itself ended the import. The client, whose input ends early, may say something else before. */
  let refused: KedgeError | undefined;
  const refuse = (error: KedgeError): never => {
    refused ??= error;
    throw error;
  };
  const warnings = new RowWarnings();
  const conditions = statementsOfAnImport();
  const filter = new DumpFilter({
    rules,
    before: (next) => [...warnings.before(next), ...conditions(next)],
    longRowBytes: longRowBytesFor(maxAllowedPacket),
    onLongValue: (table, bytes) => {
      if (bytes <= maxAllowedPacket) return;
      refuse(
        new KedgeError('DumpIncompatible', valueTooLong(database, table, bytes, maxAllowedPacket), {
          server: context.admin.server,
          hint: 'Raise max_allowed_packet of the server.',
        }),
      );
    },
    onRefused: (refusal) =>
      refuse(
        new KedgeError(
          'DumpIncompatible',
          `the dump for ${database} holds a statement that no dump of a site may hold: ${describeRefusal(refusal)}`,
          { server: context.admin.server },
        ),
      ),
    onProgress: (bytes) => {
      takenAt = monotonicMs();
      operation.progress({ bytes, totalBytes });
    },
  });
  const file = (await openDump(context.host, dumpPath)).createReadStream({ highWaterMark: 256 * 1024 });
  const stop = new AbortController();
  const watch = setInterval(
    () => {
      const silent = monotonicMs() - takenAt > silenceLimitMs;
      void findObstacle(context, request, silent ? silenceLimitMs : undefined).then(
        (error) => error && stop.abort(error),
      );
    },
    Math.min(WATCH_INTERVAL_MS, silenceLimitMs),
  );
  // When the dump cannot be read any more the client must not take its end for the end of the dump.
  file.once('error', (error) => {
    // A client that ends early fails this stream too, by a write, and says itself why.
    if ('syscall' in error && error.syscall === 'read') {
      stop.abort(new KedgeError('DumpInvalid', `the dump ${dumpPath} cannot be read`, { cause: error }));
    }
  });
  const read = pipeline(file, filter);
  const { address, from, compresses, programs } = context;
  const run = programs.run({
    ...{ address, from, compresses, program },
    arguments: [
      '--binary-mode',
      '--local-infile=0',
      ...(/^\s+--sandbox\b/m.test(help) ? ['--sandbox'] : []),
      // After a lost connection the client would go on in a new one, without the settings the dump began with.
      '--skip-reconnect',
      '--batch',
      '--skip-column-names',
      '--show-warnings',
      // Without it the client takes the comments out of the bodies of routines.
      '--comments',
      '--max-allowed-packet=1G',
      `--init-command=${settings}`,
      '--',
      database,
    ],
    user,
    password,
    input: filter,
    output: warnings,
    operation: { ...operation, signal: AbortSignal.any([operation.signal, stop.signal]) },
  });
  // Awaited below; it also fails when the client ends before the dump does, which the client says better.
  read.catch(() => undefined);
  try {
    await run;
    await read;
  } catch (error) {
    operation.signal.throwIfAborted();
    if (refused) throw refused;
    if (isKedgeError(error) && error.code === 'ImportStalled') await endImport(context, request);
    throw await importFailure(error, context, request, begunAt);
  } finally {
    clearInterval(watch);
    filter.destroy();
    file.destroy();
  }
  const { illFormed } = filter.contents;
  if (illFormed.size > 0) settleIllFormed(context.admin, request, illFormed);
  await warnings.assertNone(context.admin, database, illFormed);
  return filter.contents;
}

/** Said before anything is shut, where a restore begins as others do. @throws KedgeError DumpIncompatible */
function settleIllFormed(
  { server }: AdminConnection,
  { database, replaceText, operation }: Import,
  illFormed: ReadonlyMap<string, number>,
): void {
  const columns = [...illFormed].map(([column, values]) => `${column} (${values} values)`);
  const what = `the dump for ${database} holds text whose bytes are no letters of its character set`;
  if (replaceText !== true) throw new KedgeError('DumpIncompatible', `${what}: ${firstOf(columns)}`, { server });
  operation.log.info(`${what}, and question marks took their place: ${firstOf(columns)}`);
}

function valueTooLong(database: string, table: string | undefined, bytes: number, limit: number): string {
  const where = table === undefined ? '' : ` of table ${table}`;
  return `the dump for ${database} holds a value${where} of ${bytes} bytes, and the server takes ${limit} at most`;
}

/** The statement an import begins with: of the variables that the server has, and that an account without privileges may set. */
async function sessionSettings(admin: AdminConnection): Promise<{ settings: string; maxAllowedPacket: number }> {
  const variables = await admin.rows(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${['version', 'max_allowed_packet', ...WITHOUT_CHECKS].map(quoteLiteral).join(', ')})`,
    z.object({ Variable_name: z.string(), Value: z.string() }),
    { what: 'reading the settings of a session' },
  );
  const valueOf = (wanted: string): string => variables.find((each) => each.Variable_name === wanted)?.Value ?? '';
  const version = valueOf('version');
  const known = WITHOUT_CHECKS.filter(
    (name) => /mariadb/i.test(version) && variables.some((variable) => variable.Variable_name === name),
  );
  return {
    settings: `SET SESSION ${[`sql_mode='${INITIAL_SQL_MODE}'`, 'max_error_count=65535', ...known.map((name) => `${name}=0`)].join(', ')}`,
    maxAllowedPacket: Number(valueOf('max_allowed_packet')),
  };
}

/**
 * A server whose binary log or temporary files find no room does not fail: it waits, for ever, for someone to make some.
 * Nor does a statement fail that takes for ever. Returns either as an error; undefined as long as the import goes on, or when
 * the server does not say. `silentMs` is given when nothing was taken for so long.
 */
async function findObstacle(
  { admin }: ClientContext,
  { database, user }: Import,
  silentMs: number | undefined,
): Promise<KedgeError | undefined> {
  const running = await admin
    .rows(
      `SELECT COALESCE(STATE, '') AS state, COALESCE(LEFT(INFO, 200), '') AS statement
        FROM information_schema.PROCESSLIST WHERE USER = ${quoteLiteral(user)}`,
      z.object({ state: z.string(), statement: z.string() }),
      { what: `looking after the import into ${database}` },
    )
    .catch(() => []);
  if (running.some(({ state }) => state.startsWith('Waiting for someone to free space'))) {
    return new KedgeError(
      'DiskFull',
      `database server ${admin.server} has no room for the import into ${database}: it waits for some`,
      { server: admin.server },
    );
  }
  // The keys of a large table of MyISAM take what they take.
  if (silentMs === undefined || running.some(({ statement }) => /\bENABLE KEYS\b/.test(statement))) return undefined;
  const statement = running.find((each) => each.statement !== '')?.statement ?? '';
  const at = statement === '' ? '' : `; it is at: ${printable(statement).slice(0, 80)}`;
  return new KedgeError(
    'ImportStalled',
    `database server ${admin.server} took nothing more of the dump for ${database} in ${Math.round(silentMs / 1000)} s${at}`,
    { server: admin.server },
  );
}

/** A server goes on with a statement whose client is gone. */
async function endImport({ admin }: ClientContext, { database, user, operation }: Import): Promise<void> {
  await endAccountConnections(admin, { user, hosts: [] }, []).catch((error: unknown) =>
    operation.log.info(`the connection of the import into ${database} could not be ended: ${String(error)}`),
  );
}

/**
 * Events that exist, wanted enabled. Events that a foreign dump defines in a way the filter does not know are switched off
 * here: the definer stays.
 */
async function settleEvents({ admin }: ClientContext, database: string, wanted: readonly string[]): Promise<string[]> {
  const events = await listEvents(admin, database);
  for (const { name, definer } of events.filter(({ enabled }) => enabled)) {
    await switchEvent(admin, database, name, splitAccount(definer), 'DISABLE');
  }
  return events.filter(({ name, enabled }) => enabled || wanted.includes(name)).map(({ name }) => name);
}

/**
 * What the client said, as an error of Kedge's. A statement can fail with any number, those of lost connections included:
 * whether the server is away Kedge asks it itself.
 */
async function importFailure(
  error: unknown,
  { admin }: ClientContext,
  { database }: Import,
  begunAt: number,
): Promise<unknown> {
  if (!isKedgeError(error) || error.code !== 'ProgramFailed') return error;
  const { number, message } = clientError(error.message);
  let code = codeOfNumber(number);
  if (/ at line \d+/.test(message) && code !== 'DiskFull') {
    const away = code === 'DatabaseUnreachable' && (await wasAway(admin, monotonicMs() - begunAt));
    code = away ? 'DatabaseUnreachable' : 'ImportFailed';
  }
  const endedIt = code === 'ImportFailed' && codeOfNumber(number) === 'DatabaseUnreachable';
  return new KedgeError(
    code === 'DatabaseRefused' ? 'ImportFailed' : code,
    `the dump could not be imported into ${database} on database server ${admin.server}: ${message}`,
    {
      server: admin.server,
      ...(endedIt
        ? { hint: 'The server is up and ended the connection at this statement: compare max_allowed_packet with it.' }
        : {}),
    },
  );
}

/** The server does not answer, or has not been up for as long as the import took. */
async function wasAway(admin: AdminConnection, ms: number): Promise<boolean> {
  try {
    const [row] = await admin.rows("SHOW GLOBAL STATUS LIKE 'Uptime'", z.object({ Value: z.coerce.number() }), {
      what: 'asking how long the server has been up',
    });
    return row !== undefined && row.Value * 1000 < ms;
  } catch {
    return true;
  }
}
