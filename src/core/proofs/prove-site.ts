import { join } from 'node:path';
import { isKedgeError } from '../../contract/errors';
import type { DumpResult } from '../databases/database-server';
import { generatedName } from '../databases/generated-name';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import type { SiteAtWork } from '../sites/site-at-work';
import type { Journal } from '../tasks/journal';
import type { SiteDatabase } from '../tasks/site-state';
import type { Proofs } from './proofs';
import { type Proof, type Scratch, dropScratch, proveDefinitions } from './prove-definitions';
import { definitionsOf, summaryOf } from './spooled-dump';

/** What the definitions of a site are proved through. */
export interface SiteProvingParts {
  readonly master: MasterHost;
}

/** The task that proves them, whose journal keeps what it makes for that. */
export interface ProvingTask {
  readonly journal: Journal;
  readonly site: SiteAtWork;
  readonly operation: Operation;
  readonly record: (change: Partial<Journal>) => Promise<unknown>;
}

/**
 * Proves the definitions of the database as they are now, and keeps in the journal what came of it. `path`: where they may be
 * written meanwhile.
 */
export async function proveLiveDefinitions(
  parts: SiteProvingParts,
  proofs: Proofs,
  task: ProvingTask,
  live: SiteDatabase,
  path: string,
): Promise<void> {
  const dump = await dumpDefinitions(parts, task, live.database, path);
  const warning = await proveDefinitions(
    proofOf(proofs, task, live, { dump, path: () => Promise.resolve(path) }),
    task.operation,
  );
  await task.record({ proof: { definitions: dump.definitions, warning } });
}

/** What is said of rows and definitions the dump in maintenance says again. */
async function dumpDefinitions(
  parts: SiteProvingParts,
  { site, operation }: ProvingTask,
  database: string,
  path: string,
): Promise<DumpResult> {
  const quiet: Operation = { ...operation, log: { ...operation.log, warn: () => undefined } };
  const file = await parts.master.openForWriting(path);
  try {
    const server = await site.databaseServer(operation.signal);
    return await server.dump(database, file.createWriteStream(), quiet, { definitionsOnly: true });
  } finally {
    await file.close();
  }
}

/** How long a site in maintenance waits for a proof, ms. */
const SHUT_LIMIT_MS = 60_000;

/**
 * Proves the definitions of the dump in the spool, unless that was done before the site was shut. Returns a warning when the server
 * would not take them back; null when it would, or is not to be asked.
 */
export async function proveSpooledDump(
  parts: SiteProvingParts,
  proofs: Proofs,
  task: ProvingTask,
  live: SiteDatabase,
  spool: string,
): Promise<string | null> {
  const { journal, operation } = task;
  const about = await definitionsOf(parts.master, spool);
  if (about === null) return null;
  if (journal.proof?.definitions === about.definitions) return journal.proof.warning;
  const dump = { ...about, summary: await summaryOf(parts.master, spool) };
  const path = (): Promise<string> => Promise.resolve(join(spool, 'database.sql'));
  const isShut = journal.maintenance !== null;
  return proveDefinitions(
    { ...proofOf(proofs, task, live, { dump, path }), ...(isShut ? { limitMs: SHUT_LIMIT_MS } : {}) },
    operation,
  );
}

function proofOf(
  proofs: Proofs,
  { journal, site, operation, record }: ProvingTask,
  { account: live }: SiteDatabase,
  {
    dump: { definitions, elsewhere, summary },
    path,
  }: { dump: Omit<DumpResult, 'bytes' | 'repeated'>; path: () => Promise<string> },
): Proof {
  const name = generatedName(site.uri, `${journal.token}0`);
  const { charset, collation, tables } = summary;
  return {
    ...{ site: site.uri, proofs, live, definitions, elsewhere, charset, collation },
    server: () => site.databaseServer(operation.signal),
    tables: tables.length,
    dump: path,
    scratch: { database: name, account: { user: name, hosts: [...live.hosts] } },
    note: ({ database: scratch, account: { user, hosts } }) =>
      record({ scratch: { database: scratch, account: { user, hosts: [...hosts] } } }),
  };
}

/** What it cannot drop is the sweeper's, and holds nobody. @throws the signal's reason */
export async function forgetScratch(
  { databaseServer }: SiteAtWork,
  scratch: Scratch,
  operation: Operation,
): Promise<void> {
  try {
    await dropScratch(await databaseServer(operation.signal), scratch);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    operation.log.info(`the scratch database ${scratch.database} is left to the sweeper: ${error.message}`);
  }
}
