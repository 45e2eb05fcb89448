import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type DatabaseSummary, databaseSummarySchema } from '../contract/backup-record';
import { isKedgeError } from '../contract/errors';
import type { Target } from '../contract/target';
import type { DumpResult } from '../core/databases/database-server';
import { generatedName } from '../core/databases/generated-name';
import { openForWriting } from '../core/hosts/files';
import type { Operation } from '../core/operation';
import type { Journal } from '../core/tasks/journal';
import type { Proofs } from '../core/proofs/proofs';
import { type Proof, type Scratch, dropScratch, proveDefinitions } from '../core/proofs/prove-definitions';
import { openSpool, spooledBy } from './attempt-folder';
import type { ActivityDependencies } from './dependencies';
import { type Step, type TaskRef, forwardStep } from './step';

/** The activity that proves the definitions of a site before it is shut. */
export function createProofActivities(deps: ActivityDependencies) {
  return {
    /**
     * Proves the definitions of the database as they are now: those of the dump in maintenance are the same then, and take none of
     * its time.
     */
    async proveDefinitions(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { journal, operation, record } = step;
        const proofs = await deps.proofs();
        if (!proofs || !journal.before) return null;
        const path = join(await openSpool(deps, 'proveDefinitions', step), 'definitions.sql');
        try {
          const dump = await dumpDefinitions(deps, step, journal.before.database, path);
          const asked = proofOf(deps, step, journal.before, { proofs, dump, path: async () => path });
          const warning = await proveDefinitions(asked, operation);
          await record({ proof: { definitions: dump.definitions, warning } });
        } finally {
          await deps.master.removeFile(path);
        }
        return null;
      });
    },
  };
}

/** What is said of rows and definitions the dump in maintenance says again. */
async function dumpDefinitions(
  deps: ActivityDependencies,
  { target, operation }: Step,
  database: string,
  path: string,
): Promise<DumpResult> {
  const quiet: Operation = { ...operation, log: { ...operation.log, warn: () => undefined } };
  const file = await openForWriting(path, deps.master.name);
  try {
    const server = await deps.databaseServer(target.database, operation.signal);
    return await server.dump(database, file.createWriteStream(), quiet, { definitionsOnly: true });
  } finally {
    await file.close();
  }
}

/** What of a dump is proved, beside it in the spool. */
const DEFINITIONS_FILE = 'definitions.json';
const definitionsSchema = z.object({
  definitions: z.string(),
  elsewhere: z.array(
    z.object({
      database: z.string(),
      object: z.string(),
      named: z.enum(['table', 'key', 'function', 'procedure', 'anything']),
    }),
  ),
});

/** Keeps in the spool what is to be known of a dump there once it is packed. */
export async function describeDump(
  deps: ActivityDependencies,
  spool: string,
  { summary, definitions, elsewhere }: DumpResult,
): Promise<void> {
  await deps.master.writeFile(join(spool, 'database.json'), JSON.stringify(summary), { mode: 0o600 });
  await deps.master.writeFile(join(spool, DEFINITIONS_FILE), JSON.stringify({ definitions, elsewhere }), {
    mode: 0o600,
  });
}

export async function summaryOf(spool: string): Promise<DatabaseSummary> {
  return databaseSummarySchema.parse(JSON.parse(await readFile(join(spool, 'database.json'), 'utf8')));
}

/** How long a site in maintenance waits for a proof. */
const SHUT_LIMIT_MS = 60_000;

/**
 * Proves the definitions of the dump in the spool, unless that was done before the site was shut. Returns a warning when the server
 * would not take them back; null when it would, or is not to be asked.
 */
export async function proveDump(deps: ActivityDependencies, step: Step): Promise<string | null> {
  const { journal, target, operation } = step;
  const spool = spooledBy('dumpDatabase', target, journal);
  const path = join(spool, DEFINITIONS_FILE);
  const proofs = await deps.proofs();
  // A dump of a Kedge before this one has none.
  if (!proofs || !journal.before || !(await deps.master.status(path))) return null;
  const about = definitionsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  if (journal.proof?.definitions === about.definitions) return journal.proof.warning;
  const dump = { ...about, summary: await summaryOf(spool) };
  const asked = proofOf(deps, step, journal.before, { proofs, dump, path: async () => join(spool, 'database.sql') });
  const isShut = journal.maintenance !== null;
  return proveDefinitions({ ...asked, ...(isShut ? { limitMs: SHUT_LIMIT_MS } : {}) }, operation);
}

function proofOf(
  deps: ActivityDependencies,
  { journal, target, operation, record }: Step,
  { account: live }: NonNullable<Journal['before']>,
  {
    proofs,
    dump: { definitions, elsewhere, summary },
    path,
  }: { proofs: Proofs; dump: Omit<DumpResult, 'bytes'>; path: () => Promise<string> },
): Proof {
  const { site, database } = target;
  const name = generatedName(site.uri, `${journal.token}0`);
  const { charset, collation, tables } = summary;
  return {
    ...{ site: site.uri, master: deps.master, proofs, live, definitions, elsewhere, charset, collation },
    server: () => deps.databaseServer(database, operation.signal),
    tables: tables.length,
    dump: path,
    scratch: { database: name, account: { user: name, hosts: [...live.hosts] } },
    note: ({ database: scratch, account: { user, hosts } }) =>
      record({ scratch: { database: scratch, account: { user, hosts: [...hosts] } } }),
  };
}

/** What it cannot drop is the sweeper's, and holds nobody. @throws the signal's reason */
export async function forgetScratch(
  deps: ActivityDependencies,
  target: Target,
  scratch: Scratch,
  operation: Operation,
): Promise<void> {
  try {
    await dropScratch(await deps.databaseServer(target.database, operation.signal), scratch);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    operation.log.info(`the scratch database ${scratch.database} is left to the sweeper: ${error.message}`);
  }
}
