import { KedgeError } from '../../../contract/errors';
import type { DatabaseServer } from '../../databases/database-server';
import type { Operation } from '../../operation';
import { dropScratch } from '../../proofs/prove-definitions';
import { Claims, type TaskLeftovers } from '../leftovers';
import { type Problem, lastingProblem } from '../problem';
import type { KnownServer } from './database-servers';
import type { Leftover, SweepParts } from './leftover';

/** Databases and accounts that a closed task made, and that nobody has come to use. */
export async function findDatabases(
  { states, locks }: SweepParts,
  { task, site, accounts, databases: made }: TaskLeftovers,
  at: KnownServer,
  claims: Claims,
): Promise<Leftover[]> {
  const { server, databases, users } = at;
  const found: Leftover[] = [];
  // In turn with the tasks of the site, and with who adopts it: nobody comes to use what is looked at here meanwhile.
  const drop =
    (isClaimed: (claims: Claims) => boolean, work: (own: DatabaseServer) => Promise<void>) => (operation: Operation) =>
      locks.hold(site, operation, async ({ signal, name }) => {
        const now = await states.readable();
        if (now.unreadable.size > 0 || isClaimed(new Claims(now.states, []))) return;
        await work(await at.open(signal, name));
      });
  // The accounts first: nobody writes into a database that goes.
  for (const account of accounts) {
    if (!users.has(account.user) || claims.hasAccount(account) || !(await server.accountExists(account))) continue;
    found.push({
      what: `the account ${account.user} of ${server.name}`,
      task,
      remove: drop(
        (now) => now.hasAccount(account),
        async (own) => {
          await own.lockAccount(account);
          await own.dropAccount(account);
        },
      ),
    });
  }
  for (const database of made) {
    if (!databases.has(database) || claims.hasDatabase(database)) continue;
    found.push({
      what: `the database ${database} of ${server.name}`,
      task,
      remove: drop(
        (now) => now.hasDatabase(database),
        (own) => own.dropDatabase(database),
      ),
    });
  }
  return found;
}

/** Scratch databases of commands that were killed. Nobody else uses what they are called. */
export async function findScratches(
  { master, scratches, databaseServers }: SweepParts,
  problems: Problem[],
): Promise<Leftover[]> {
  const left = await scratches.left();
  problems.push(...left.problems.map((problem) => lastingProblem(`a scratch database is passed over: ${problem}`)));
  return left.notes.map((note) => ({
    what: `the scratch database ${note.database} of ${note.databaseServer}`,
    task: null,
    remove: async (operation) => {
      const open = databaseServers.get(note.databaseServer);
      if (!open)
        throw new KedgeError('DatabaseUnreachable', `${note.databaseServer} is not in the configuration any more`);
      await dropScratch(await open(operation.signal), note);
      await master.removeTree(note.folder, operation);
      await scratches.remove(note);
    },
  }));
}
