import type { ActivityDependencies } from '../../src/activities/dependencies';
import type { DatabaseServer } from '../../src/core/databases/database-server';
import { changingDatabaseServers } from './changed-sites';

type ImportDump = DatabaseServer['importDump'];
type Act = (...args: [DatabaseServer, ...Parameters<ImportDump>]) => Promise<void>;

/** Does something right before the database server does its part of an import, once; then the import goes on. A proof is none. */
export function inTheImport(act: Act): (real: ActivityDependencies) => ActivityDependencies {
  return before(act, false);
}

/** The same for the import of definitions that are proved. */
export function inTheProof(act: Act): (real: ActivityDependencies) => ActivityDependencies {
  return before(act, true);
}

function before(act: Act, ofDefinitions: boolean): (real: ActivityDependencies) => ActivityDependencies {
  let acted = false;
  return (real) =>
    changingDatabaseServers(real, (server) => ({
      ...server,
      importDump: async (...args) => {
        const [, , , , , options] = args;
        if (!acted && (options?.definitionsOnly ?? false) === ofDefinitions) {
          acted = true;
          await act(server, ...args);
        }
        return server.importDump(...args);
      },
    }));
}
