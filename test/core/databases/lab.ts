import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PrivateMariadb, startMariadb } from '../../../scripts/lab/mariadb';
import type { DatabaseServer, DumpResult, ImportResult } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { expectNothingLeft } from '../../helpers/nothing-left';
import { type TestOperation, testOperation } from '../../helpers/operation';

export interface DatabaseLab {
  readonly folder: string;
  readonly mariadb: PrivateMariadb;
  readonly host: MasterHost;
  readonly server: DatabaseServer;
  query(sql: string): Promise<string>;
  dump(database: string, operation?: TestOperation): Promise<DumpResult & { path: string; text: string }>;
  /** Imports as a new account at localhost into a new database of this name. */
  restore(dumpPath: string, database: string, operation?: TestOperation): Promise<ImportResult>;
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
      await expectNothingLeft(folder);
    },
  };
}
