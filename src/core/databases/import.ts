import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { runClient } from './client-program';
import type { ImportResult } from './database-server';
import type { ClientContext } from './dump';
import { DumpFilter } from './dump-filter';
import { listEvents, switchEvent } from './events';
import { quoteLiteral, splitAccount } from './identifiers';
import { clientError, codeOfNumber } from './sql-errors';

export interface Import {
  readonly dumpPath: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly operation: Operation;
}

const TAIL_BYTES = 4096;
const FULL_DISK_INTERVAL_MS = 5_000;

/** `DatabaseServer.importDump`; its contract is there. */
export async function importDump(context: ClientContext, request: Import): Promise<ImportResult> {
  const totalBytes = await checkDumpFile(request.dumpPath);
  const wanted = await runImport(context, request, totalBytes);
  return { bytes: totalBytes, enabledEvents: await settleEvents(context, request.database, wanted) };
}

/** Looks at the ends of a dump before anything of it is sent. Returns its bytes. @throws KedgeError DumpInvalid */
async function checkDumpFile(path: string): Promise<number> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new KedgeError('DumpInvalid', `the dump ${path} cannot be opened`, { cause: error });
  });
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
    return size;
  } finally {
    await file.close();
  }
}

/** Returns the events the dump wanted enabled. */
async function runImport(context: ClientContext, request: Import, totalBytes: number): Promise<readonly string[]> {
  const { dumpPath, database, user, password, operation } = request;
  const { program, help } = await context.programs.find(['mariadb', 'mysql'], operation);
  const filter = new DumpFilter({
    disableEvents: true,
    database: undefined,
    onProgress: (bytes) => operation.progress({ bytes, totalBytes }),
  });
  const file = createReadStream(dumpPath, { highWaterMark: 256 * 1024 });
  const stop = new AbortController();
  const watch = setInterval(
    () => void findFullDisk(context, request).then((error) => error && stop.abort(error)),
    FULL_DISK_INTERVAL_MS,
  );
  // When the dump cannot be read any more the client must not take its end for the end of the dump.
  file.once('error', (error) => {
    // A client that ends early fails this stream too, by a write, and says itself why.
    if ('syscall' in error && (error.syscall === 'read' || error.syscall === 'open')) {
      stop.abort(new KedgeError('DumpInvalid', `the dump ${dumpPath} cannot be read`, { cause: error }));
    }
  });
  const read = pipeline(file, filter);
  const run = runClient(context.host, context.address, {
    program,
    arguments: [
      '--binary-mode',
      '--local-infile=0',
      ...(/^\s+--sandbox\b/m.test(help) ? ['--sandbox'] : []),
      // After a lost connection the client would go on in a new one, without the settings the dump began with.
      '--skip-reconnect',
      '--batch',
      // Without it the client takes the comments out of the bodies of routines.
      '--comments',
      '--max-allowed-packet=1G',
      '--',
      database,
    ],
    user,
    password,
    input: filter,
    operation: { ...operation, signal: AbortSignal.any([operation.signal, stop.signal]) },
  });
  // Awaited below; it also fails when the client ends before the dump does, which the client says better.
  read.catch(() => undefined);
  try {
    await run;
    await read;
  } catch (error) {
    operation.signal.throwIfAborted();
    throw importFailure(error, request, context.admin.server);
  } finally {
    clearInterval(watch);
    filter.destroy();
    file.destroy();
  }
  return filter.contents.enabledEvents;
}

/**
 * A server whose binary log or temporary files find no room does not fail: it waits, for ever, for someone to make some.
 * Returns that as an error; undefined as long as the import goes on, or when the server does not say.
 */
async function findFullDisk({ admin }: ClientContext, { database, user }: Import): Promise<KedgeError | undefined> {
  const waiting = await admin
    .rows(
      `SELECT ID AS id FROM information_schema.PROCESSLIST
        WHERE USER = ${quoteLiteral(user)} AND STATE LIKE 'Waiting for someone to free space%'`,
      z.object({ id: z.coerce.number() }),
      { what: `looking after the import into ${database}` },
    )
    .catch(() => []);
  if (waiting.length === 0) return undefined;
  return new KedgeError(
    'DiskFull',
    `database server ${admin.server} has no room for the import into ${database}: it waits for some`,
    {
      server: admin.server,
    },
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

function importFailure(error: unknown, { database }: Import, server: string): unknown {
  if (!isKedgeError(error) || error.code !== 'ProgramFailed') return error;
  const { number, message } = clientError(error.message);
  const code = codeOfNumber(number);
  // A statement may be refused with the number of a refused login.
  const byStatement = / at line \d+/.test(message) && code !== 'DatabaseUnreachable' && code !== 'DiskFull';
  return new KedgeError(
    byStatement || code === 'DatabaseRefused' ? 'ImportFailed' : code,
    `the dump could not be imported into ${database} on database server ${server}: ${message}`,
    { server },
  );
}
