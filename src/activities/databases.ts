import { join } from 'node:path';
import { KedgeError } from '../contract/errors';
import type { Target } from '../contract/target';
import type { DatabaseServer } from '../core/databases/database-server';
import { generatedName, generatedPassword } from '../core/databases/generated-name';
import type { Journal } from '../core/tasks/journal';
import type { ActivityDependencies } from './dependencies';
import { type TaskRef, finishingStep, forwardStep, undoStep } from './step';

/** Activities that make the new database and account of a restore, and let go of the old ones. */
export function createDatabaseActivities(deps: ActivityDependencies) {
  const serverOf = (target: Target): Promise<DatabaseServer> => deps.databaseServer(target.database);

  /** The host the import comes from, as the server sees it; the site's own hosts come with createDbUser. */
  const importHosts = (target: Target): string[] =>
    target.database.socket === undefined ? ['127.0.0.1', 'localhost'] : ['localhost'];

  const characterSetOf = async (journal: Journal): Promise<{ charset: string; collation: string }> => {
    const record = await deps.catalog.get(journal.site, journal.source?.id ?? '');
    return record.database;
  };

  return {
    /** An empty database under a name of this task, with the charset and collation the backup recorded. */
    async createDatabase(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, record }) => {
        const { charset, collation } = await characterSetOf(journal);
        const created = journal.created ?? {
          databases: [generatedName(target.site.uri, `${journal.token}a`)],
          importBegan: false,
          account: { user: generatedName(target.site.uri, journal.token), hosts: importHosts(target) },
          password: generatedPassword(),
          enabledEvents: [],
        };
        await record({ created });
        await (await serverOf(target)).createDatabase(newestOf(created), charset, collation);
        return { database: newestOf(created) };
      });
    },

    /** Imports the dump as the site's new account. An import that was begun before starts again in a fresh database. */
    async importDatabase(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, operation, record }) => {
        const server = await serverOf(target);
        let created = createdOf(journal);
        if (created.importBegan) {
          const { charset, collation } = await characterSetOf(journal);
          const stale = newestOf(created);
          const generation = String.fromCharCode('a'.charCodeAt(0) + (created.databases.length % 26));
          const fresh = generatedName(target.site.uri, `${journal.token}${generation}`);
          created = { ...created, databases: [...created.databases, fresh], password: generatedPassword() };
          await record({ created });
          await server.lockAccount(created.account);
          await server.dropAccount(created.account);
          await server.dropDatabase(stale);
          await server.dropDatabase(fresh);
          await server.createDatabase(fresh, charset, collation);
        }
        created = { ...created, importBegan: true };
        await record({ created });
        const database = newestOf(created);
        await server.createAccount(created.account, created.password, database);
        const dump = join(target.spool, journal.token, 'restore.sql');
        const result = await server.importDump(dump, database, created.account.user, created.password, operation);
        await record({ created: { ...created, enabledEvents: [...result.enabledEvents] } });
        return { bytes: result.bytes };
      });
    },

    /** Completes the account: its final password, written down first, and the hosts and limits of the old one. */
    async createDbUser(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, record }) => {
        const server = await serverOf(target);
        const before = beforeOf(journal);
        const account = { user: createdOf(journal).account.user, hosts: [...before.account.hosts] };
        const importing = createdOf(journal).account;
        const everyHost = [...new Set([...account.hosts, ...importing.hosts])];
        const created = {
          ...createdOf(journal),
          account: { user: account.user, hosts: everyHost },
          password: generatedPassword(),
        };
        await record({ created });
        await server.createAccount(account, created.password, newestOf(created));
        await server.copyAccountOptions(before.account, account);
        // The importing host's account stays as definer of views, triggers, routines and events.
        const onlyDefiner = importing.hosts.filter((host) => !account.hosts.includes(host));
        if (onlyDefiner.length > 0) await server.lockAccount({ user: account.user, hosts: onlyDefiner });
        return { user: account.user };
      });
    },

    /** Undo of createDatabase, importDatabase and createDbUser. */
    async discardDatabase(ref: TaskRef) {
      return undoStep(deps, ref, async ({ journal, target }) => {
        if (!journal.created) return;
        const server = await serverOf(target);
        const { account, databases } = journal.created;
        await server.lockAccount(account);
        for (const database of databases) await server.dropDatabase(database);
        await server.dropAccount(account);
      });
    },

    /** After the commit point: what Kedge made is dropped, what it adopted is kept, locked, and reported. */
    async discardReplacedDatabase(ref: TaskRef) {
      return finishingStep(deps, ref, async ({ journal, target, operation }) => {
        const before = beforeOf(journal);
        const server = await serverOf(target);
        if (before.madeByKedge) {
          await server.lockAccount(before.account);
          await server.dropDatabase(before.database);
          await server.dropAccount(before.account);
          return null;
        }
        const accounts = before.account.hosts.map((host) => `'${before.account.user}'@'${host}'`);
        operation.log.info(
          `the adopted database ${before.database} is kept; its account ${accounts.join(', ')} stays locked`,
        );
        operation.log.info(
          `to unlock it: ${accounts.map((account) => `ALTER USER ${account} ACCOUNT UNLOCK;`).join(' ')}`,
        );
        return null;
      });
    },
  };
}

function newestOf(created: NonNullable<Journal['created']>): string {
  return created.databases.at(-1) ?? '';
}

function createdOf(journal: Journal): NonNullable<Journal['created']> {
  if (journal.created) return journal.created;
  throw new KedgeError('Internal', `${journal.task} has made no database`, { site: journal.site });
}

function beforeOf(journal: Journal): NonNullable<Journal['before']> {
  if (journal.before) return journal.before;
  throw new KedgeError('SiteNotAdopted', `the database of ${journal.site} is not known`, { site: journal.site });
}
