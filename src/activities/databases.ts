import { join } from 'node:path';
import type { DatabaseAccount, DatabaseServer, Purpose } from '../core/databases/database-server';
import { grantStatement } from '../core/databases/other-accounts';
import type { Operation } from '../core/operation';
import type { SiteAtWork } from '../core/sites/site-at-work';
import { generatedName, generatedPassword } from '../core/databases/generated-name';
import { assertFinishing, refused } from '../core/tasks/authority';
import { assertSwitchedBack } from '../core/recovery/give-back';
import type { Journal } from '../core/tasks/journal';
import { keepsDatabase, nameKept } from '../core/kept/kept-originals';
import { Claims } from '../core/recovery/leftovers';
import type { LockHold } from '../core/tasks/site-locks';
import type { SiteDatabase } from '../core/tasks/site-state';
import { spooledBy } from './attempt-folder';
import type { ActivityDependencies } from './dependencies';
import { accountHostsOf, createdDatabase, createdOf, isSwitched, sourceOf } from './journal-parts';
import { type Reported, type TaskRef, finishingStep, forwardStep, undoStep } from './step';

/** What a restore kept of the database before. */
export interface KeptReport {
  kept: string[];
}

/** Activities that make the new database and account of a restore, and let go of the old ones. */
export function createDatabaseActivities(deps: ActivityDependencies) {
  /** For what changes accounts and databases: what an earlier holder of the lock had under way is over. */
  const serverUnderLock = (site: SiteAtWork, { signal, name }: LockHold): Promise<DatabaseServer> =>
    site.databaseServer(signal, name);

  return {
    /** An empty database under a name of this task, with the charset and collation the backup recorded. */
    async createDatabase(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const { charset, collation } = sourceOf(journal);
        const server = await site.databaseServer(operation.signal);
        const created = journal.created ?? {
          databases: [generatedName(site.uri, `${journal.token}a`)],
          importBegan: false,
          account: {
            user: generatedName(site.uri, journal.token),
            hosts: await accountHostsOf({ journal, site, operation }, server),
          },
          password: generatedPassword(),
          enabledEvents: [],
        };
        await record({ created });
        await whileMine(async (hold) => {
          await (await serverUnderLock(site, hold)).createDatabase(createdDatabase(created), charset, collation);
        });
        return { database: createdDatabase(created) };
      });
    },

    /** Imports the dump as the site's new account. An import that was begun before starts again in a fresh database. */
    async importDatabase(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const server = await site.databaseServer(operation.signal);
        let created = createdOf(journal);
        if (created.importBegan) {
          const { charset, collation } = sourceOf(journal);
          const generation = String.fromCharCode('a'.charCodeAt(0) + (created.databases.length % 26));
          const fresh = generatedName(site.uri, `${journal.token}${generation}`);
          created = { ...created, databases: [...created.databases, fresh], password: generatedPassword() };
          await record({ created });
          const { account, databases } = created;
          await whileMine(async (hold) => {
            const own = await serverUnderLock(site, hold);
            await own.lockAccount(account);
            await own.dropAccount(account);
            // Those of every attempt: one of them may have died before it dropped that of the one before.
            for (const database of databases) await own.dropDatabase(database);
            await own.createDatabase(fresh, charset, collation);
          });
        }
        created = { ...created, importBegan: true };
        await record({ created });
        const database = createdDatabase(created);
        const { user } = created.account;
        const createAccount = ({ account, password }: typeof created): Promise<void> =>
          whileMine(async (hold) => (await serverUnderLock(site, hold)).createAccount(account, password, database));
        await createAccount(created);
        // The import comes from here, which is not always where the site comes from: by the socket, say. Only then: an
        // account of this very host, locked afterwards, would stand before one that the site has for many.
        if (!(await server.canLogIn(user, created.password, database))) {
          const hosts = [...new Set([...created.account.hosts, await server.clientHost()])];
          created = { ...created, account: { user, hosts } };
          await record({ created });
          await createAccount(created);
        }
        const { account } = created;
        await whileMine(async (hold) => shareReach(await serverUnderLock(site, hold), journal, account, 'definitions'));
        const dump = join(spooledBy('deploy', site.target, journal), 'restore.sql');
        const result = await server.importDump(dump, database, user, created.password, operation, {
          replaceText: journal.accepted?.replaceText ?? false,
        });
        await record({ created: { ...created, enabledEvents: [...result.enabledEvents] } });
        return { bytes: result.bytes };
      });
    },

    /** Completes the account: its final password, written down first, and the hosts and limits of the old one. */
    async createDbUser(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const server = await site.databaseServer(operation.signal);
        const hosts = await accountHostsOf({ journal, site, operation }, server);
        const account = { user: createdOf(journal).account.user, hosts };
        const importing = createdOf(journal).account;
        const everyHost = [...new Set([...account.hosts, ...importing.hosts])];
        const created = {
          ...createdOf(journal),
          account: { user: account.user, hosts: everyHost },
          password: generatedPassword(),
        };
        await record({ created });
        // The importing host's account stays as definer of views, triggers, routines and events.
        const onlyDefiner = importing.hosts.filter((host) => !account.hosts.includes(host));
        await whileMine(async (hold) => {
          const own = await serverUnderLock(site, hold);
          await own.createAccount(account, created.password, createdDatabase(created));
          if (journal.before) await own.copyAccountOptions(journal.before.account, account);
          await shareReach(own, journal, created.account, 'running');
          if (onlyDefiner.length > 0) await own.lockAccount({ user: account.user, hosts: onlyDefiner });
        });
        await tellRightsLeftBehind(server, journal, createdDatabase(created), operation);
        return { user: account.user };
      });
    },

    /** Undo of createDatabase, importDatabase and createDbUser. */
    async discardDatabase(ref: TaskRef) {
      return undoStep(deps, ref, isSwitched, async (step) => {
        await step.underLock(async (now) => {
          const { created } = now.journal;
          if (!created) return;
          // The live settings name it until then.
          await assertSwitchedBack(now);
          const server = await serverUnderLock(now.site, now.hold);
          await server.lockAccount(created.account);
          for (const database of created.databases) await server.dropDatabase(database);
          await server.dropAccount(created.account);
        });
      });
    },

    /** After the commit point: what Kedge made is dropped, what it adopted is kept, locked, and reported. */
    async discardReplacedDatabase(ref: TaskRef): Promise<Reported<KeptReport | null>> {
      return finishingStep<KeptReport | null>(deps, ref, BEHIND_COMMIT, async ({ journal, operation, underLock }) => {
        const { before } = journal;
        if (!before) return null;
        if (keepsDatabase(journal)) {
          const { database: name, account, madeByKedge } = before;
          await underLock(async ({ site, hold }) => {
            await nameKept(deps, journal, {
              database: { server: site.target.database.name, name, account, madeByKedge },
            });
            if (madeByKedge) await (await serverUnderLock(site, hold)).lockAccount(account);
          });
          operation.log.warn(`${journal.notSaved.database.join('; ')}; the database of before is kept as ${name}`);
          if (madeByKedge) return null;
        }
        if (before.madeByKedge) {
          await underLock(async ({ site, hold }) => {
            await assertReplaced(deps, journal, before);
            const server = await serverUnderLock(site, hold);
            await server.lockAccount(before.account);
            await server.dropDatabase(before.database);
            await server.dropAccount(before.account);
          });
          return null;
        }
        const kept = keptSentences(journal.site, before, journal.fence !== null);
        for (const sentence of kept) operation.log.info(sentence);
        return { kept };
      });
    },
  };
}

/**
 * What definitions of a backup name in other databases the new account may use as far as the live one may now. A deploy has
 * no live account, and its dump may be anybody's: it is given nothing.
 */
async function shareReach(
  server: DatabaseServer,
  { type, before, source }: Journal,
  account: DatabaseAccount,
  purpose: Purpose,
): Promise<void> {
  if (type !== 'restore' || !before || !source) return;
  await server.grantReach(before.account, account, source.elsewhere, purpose);
}

/** The statements that give others on the new database what they have on the old one, for the log. */
async function tellRightsLeftBehind(
  server: DatabaseServer,
  { before }: Journal,
  database: string,
  operation: Operation,
): Promise<void> {
  if (!before) return;
  for (const right of await server.rightsLeftBehind(before.account, before.database))
    operation.log.info(`to give ${right.grantee} the same on the new database: ${grantStatement(right, database)}`);
}

/** What a restore leaves of the database and account that Kedge had not made, a sentence each. */
function keptSentences(site: string, { database, account }: SiteDatabase, locked: boolean): string[] {
  const accounts = account.hosts.map((host) => `'${account.user}'@'${host}'`);
  const drop = `\`kedge sites let-go ${site}\` drops what nobody needs any more`;
  if (!locked) return [`the adopted database ${database} is kept, and its account ${account.user} as it was; ${drop}`];
  return [
    `the adopted database ${database} is kept; its account ${accounts.join(', ')} stays locked; ${drop}`,
    `to unlock it: ${accounts.map((name) => `ALTER USER ${name} ACCOUNT UNLOCK;`).join(' ')}`,
  ];
}

const BEHIND_COMMIT = { assert: assertFinishing, closed: null };

/**
 * Sees to it that the site lives on the new database and does not keep the old one: its state says so, not the caller.
 * @throws KedgeError StepRefused
 */
async function assertReplaced(deps: ActivityDependencies, journal: Journal, before: SiteDatabase): Promise<void> {
  const state = await deps.states.get(journal.site);
  if (state.current.database !== createdDatabase(createdOf(journal)))
    throw refused(journal, `${journal.site} does not live on the database of this task`);
  const claims = new Claims([state], []);
  if (claims.hasDatabase(before.database) || claims.hasAccount(before.account))
    throw refused(journal, `${journal.site} uses or keeps the database ${before.database} or its account`);
}
