import type { ActivityDependencies } from '../../src/activities/dependencies';
import type { DatabaseServer } from '../../src/core/databases/database-server';

type ImportDump = DatabaseServer['importDump'];

/** Does something right before the database server does its part of an import, once; then the import goes on. A proof is none. */
export function inTheImport(act: (...args: [DatabaseServer, ...Parameters<ImportDump>]) => Promise<void>) {
  let acted = false;
  return (real: ActivityDependencies): ActivityDependencies => ({
    ...real,
    databaseServer: async (...asked) => {
      const server = await real.databaseServer(...asked);
      return {
        ...server,
        importDump: async (...args) => {
          const [, , , , , options] = args;
          if (!acted && options?.definitionsOnly !== true) {
            acted = true;
            await act(server, ...args);
          }
          return server.importDump(...args);
        },
      };
    },
  });
}
