import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type PrivateMariadb, startMariadb } from '../../../scripts/lab/mariadb';
import type { Progress } from '../../../src/contract/tasks';
import type { DatabaseServer, DumpResult, ImportResult } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import type { Host } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Operation } from '../../../src/core/operation';

export interface TestOperation extends Operation {
  readonly warnings: string[];
  readonly reports: Progress[];
  cancel(): void;
}

/** An operation that remembers what it was told. `onProgress` is called with each report. */
export function testOperation(onProgress: (progress: Progress) => void = () => undefined): TestOperation {
  const controller = new AbortController();
  const warnings: string[] = [];
  const reports: Progress[] = [];
  return {
    signal: controller.signal,
    mark: `test-${process.pid}/databases`,
    progress: (progress) => {
      reports.push(progress);
      onProgress(progress);
    },
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
    warnings,
    reports,
    cancel: () => controller.abort(new Error('the test cancelled')),
  };
}

export interface DatabaseLab {
  readonly folder: string;
  readonly mariadb: PrivateMariadb;
  readonly host: Host;
  readonly server: DatabaseServer;
  query(sql: string): Promise<string>;
  dump(database: string, operation?: Operation): Promise<DumpResult & { path: string; text: string }>;
  /** Imports as a new account at localhost into a new database of this name. */
  restore(dumpPath: string, database: string, operation?: Operation): Promise<ImportResult>;
  writeDump(statements: string | Buffer): Promise<string>;
  close(): Promise<void>;
}

export const IMPORT_PASSWORD = 'importing-canary-71aa';
export const TRAILER = '\n-- Dump completed on 2026-11-24  8:26:34\n';

/** A private server with its own folder, and Kedge's view of it. */
export async function openLab(options: readonly string[] = []): Promise<DatabaseLab> {
  const folder = await mkdtemp('/var/tmp/kedge-db-');
  await chmod(folder, 0o755);
  const mariadb = await startMariadb({ folder, options }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  const host = createLocalHost({ name: 'lab' });
  const server = openDatabaseServer({ address: mariadb.address, adminPassword: undefined, host });
  let files = 0;
  const nextFile = (): string => join(folder, `dump-${(files += 1)}.sql`);
  return {
    folder,
    mariadb,
    host,
    server,
    query: (sql) => mariadb.query(sql),
    async dump(database, operation = testOperation()) {
      const path = nextFile();
      const result = await server.dump(database, createWriteStream(path), operation);
      return { ...result, path, text: await readFile(path, 'utf8') };
    },
    async restore(dumpPath, database, operation = testOperation()) {
      const account = { user: database, hosts: ['localhost'] };
      await server.createDatabase(database, 'utf8mb4', 'utf8mb4_general_ci');
      await server.createAccount(account, IMPORT_PASSWORD, database);
      return server.importDump(dumpPath, database, account.user, IMPORT_PASSWORD, operation);
    },
    async writeDump(statements) {
      const path = nextFile();
      await writeFile(path, statements);
      return path;
    },
    async close() {
      await server.close();
      await mariadb.discard();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits for a condition. */
export async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(10);
  }
}
