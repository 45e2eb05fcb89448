import { KedgeError } from '../../contract/errors';
import type { AdminConnection } from './admin-connection';
import { endDatabaseConnections } from './connections';
import { databaseExists } from './facts';
import { quoteIdentifier } from './identifiers';

/** Databases of the servers themselves. */
const SYSTEM_DATABASES = ['mysql', 'information_schema', 'performance_schema', 'sys'];

/** Creates the database, or gives an existing one this charset and collation. @throws KedgeError DumpIncompatible for an unknown one */
export async function createDatabase(
  admin: AdminConnection,
  database: string,
  charset: string,
  collation: string,
): Promise<void> {
  refuseSystemDatabase(admin, database);
  for (const name of [charset, collation]) {
    if (!/^[a-z0-9_]{1,64}$/i.test(name)) {
      throw new KedgeError('DumpIncompatible', `${JSON.stringify(name)} is no charset or collation`);
    }
  }
  const options = `CHARACTER SET ${charset} COLLATE ${collation}`;
  const context = { what: `creating the database ${database}` };
  await admin.execute(`CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(database)} ${options}`, context);
  await admin.execute(`ALTER DATABASE ${quoteIdentifier(database)} ${options}`, context);
}

/** Ends the connections of the database, then drops it. */
export async function dropDatabase(admin: AdminConnection, database: string): Promise<void> {
  refuseSystemDatabase(admin, database);
  if (!(await databaseExists(admin, database))) return;
  await endDatabaseConnections(admin, database);
  await admin.execute(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)}`, {
    what: `dropping the database ${database}`,
  });
}

function refuseSystemDatabase(admin: AdminConnection, database: string): void {
  if (SYSTEM_DATABASES.includes(database.toLowerCase())) {
    throw new KedgeError('DatabaseRefused', `${database} on database server ${admin.server} belongs to the server`, {
      server: admin.server,
    });
  }
}
