import { KedgeError, isKedgeError } from '../../contract/errors';
import { UNPROVEN } from '../../contract/names';
import type { DatabaseAccount, DatabaseServer } from '../databases/database-server';
import { isPassing } from '../databases/sql-errors';
import type { NameElsewhere } from '../databases/definition-names';
import { generatedPassword } from '../databases/generated-name';
import type { Operation } from '../operation';
import { Proofs, type Verdict } from './proofs';
import { needsOfDatabase } from '../preflight/database-room';
import { checkSpace } from '../preflight/space';

/** A dump whose definitions are to be proved, and where. */
export interface Proof {
  readonly site: string;
  readonly server: () => Promise<DatabaseServer>;
  readonly proofs: Proofs;
  /** Returns the dump, a file on the master; its rows may be left out. Asked for only where it is needed. */
  readonly dump: () => Promise<string>;
  /** Digest of its definitions. */
  readonly definitions: string;
  readonly elsewhere: readonly NameElsewhere[];
  /** How many there are in the dump. */
  readonly tables: number;
  readonly charset: string;
  readonly collation: string;
  /** The site's account. */
  readonly live: DatabaseAccount;
  /** Names for a database and an account that nobody has. */
  readonly scratch: Scratch;
  /** Writes down that they may be there from now on, before they are. */
  readonly note: (scratch: Scratch) => Promise<unknown>;
  /**
   * How long the import may take, ms: for a site that is shut meanwhile. Dropping takes as long again, and is left to who noted what
   * there is. Default: as long as it takes, and all of it is dropped.
   */
  readonly limitMs?: number | undefined;
}

export interface Scratch {
  readonly database: string;
  readonly account: DatabaseAccount;
}

/**
 * Imports the definitions of a dump into a scratch database as a restore would: by the same program, as an account with the
 * rights a restore's account has. Returns a warning when that fails; null when it does not, or was proved before. What it
 * made is dropped again, whatever comes; where that cannot be done now, or would keep a site shut, what was noted says what there is.
 * @throws the signal's reason
 */
export async function proveDefinitions(proof: Proof, operation: Operation): Promise<string | null> {
  const { proofs, live, elsewhere } = proof;
  try {
    const server = await proof.server();
    const { text, replicated, readOnly } = await server.importConditions();
    const name = Proofs.nameOf(proof.definitions, text, await server.lackingReach(live, elsewhere));
    const known = await proofs.find(name);
    if (known === null) return null;
    // What a server refused may be taken by now. Where others repeat what is done there, they are not made to for that.
    if (known !== undefined && replicated)
      return warningOf(
        `${known} (${server.name} said so before; its replicas repeat each try, so remove ${proofs.pathOf(name)} to have it asked again)`,
      );
    // A restore would not be taken either, which says nothing of the backup; and a replica is to have nothing of its own.
    if (readOnly) throw new KedgeError('DatabaseRefused', `database server ${server.name} is read-only`);
    const verdict = await tryImport(proof, server, operation);
    if (verdict === null || replicated) await proofs.add(name, verdict);
    return warningOf(verdict);
  } catch (error) {
    operation.signal.throwIfAborted();
    // Whatever it is, the backup is made.
    const why = error instanceof Error ? error.message : String(error);
    return `whether this backup can be restored here could not be tried: ${why}`;
  }
}

function warningOf(verdict: Verdict): string | null {
  return verdict === null ? null : `${UNPROVEN}: ${verdict}`;
}

/** The server has seen the definitions and did not take them. */
const REFUSED: ReadonlySet<string> = new Set(['ImportFailed', 'DumpIncompatible', 'DumpInvalid']);

async function tryImport(proof: Proof, server: DatabaseServer, operation: Operation): Promise<Verdict> {
  const { scratch } = proof;
  await assertRoom(proof, server, operation);
  const dump = await proof.dump();
  await proof.note(scratch);
  try {
    // What an attempt before left.
    await dropScratch(server, scratch);
    await importInto(proof, server, dump, operation);
    return null;
  } catch (error) {
    if (isKedgeError(error) && REFUSED.has(error.code) && !isPassing(error.message))
      return error.message.replaceAll(scratch.database, 'a scratch database');
    throw error;
  } finally {
    if (proof.limitMs === undefined)
      await dropScratch(server, scratch).catch((error: unknown) =>
        operation.log.info(`${scratch.database} could not be dropped yet: ${String(error)}`),
      );
  }
}

/** Of a table without rows, with some keys. */
const BYTES_OF_A_TABLE = 160 * 1024;

/** A proof is to take no other site's room. @throws KedgeError DiskFull */
async function assertRoom({ site, tables }: Proof, server: DatabaseServer, operation: Operation): Promise<void> {
  await checkSpace(await needsOfDatabase(server, { bytes: tables * BYTES_OF_A_TABLE, tables }, operation), site);
}

async function importInto(proof: Proof, server: DatabaseServer, dump: string, operation: Operation): Promise<void> {
  const { charset, collation, live, elsewhere } = proof;
  const { database } = proof.scratch;
  let { account } = proof.scratch;
  const password = generatedPassword();
  await server.createDatabase(database, charset, collation);
  await server.createAccount(account, password, database);
  if (!(await server.canLogIn(account.user, password, database))) {
    account = { user: account.user, hosts: [...new Set([...account.hosts, await server.clientHost()])] };
    await proof.note({ database, account });
    await server.createAccount(account, password, database);
  }
  await server.grantReach(live, account, elsewhere, 'definitions');
  await within(proof.limitMs, operation, (inTime) =>
    server.importDump(dump, database, account.user, password, inTime, { definitionsOnly: true }),
  );
}

async function within<T>(
  limitMs: number | undefined,
  operation: Operation,
  work: (inTime: Operation) => Promise<T>,
): Promise<T> {
  // Packing tells how far it is.
  const quiet = { ...operation, progress: () => undefined };
  if (limitMs === undefined) return work(quiet);
  const end = new AbortController();
  const late = new KedgeError('ProgramTimedOut', `its definitions were not imported within ${limitMs / 1000} s`);
  const timer = setTimeout(() => end.abort(late), limitMs);
  try {
    return await work({ ...quiet, signal: AbortSignal.any([operation.signal, end.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

/** Nothing happens where they are not. */
export async function dropScratch(server: DatabaseServer, { database, account }: Scratch): Promise<void> {
  await server.lockAccount(account);
  await server.dropDatabase(database);
  await server.dropAccount(account);
}
