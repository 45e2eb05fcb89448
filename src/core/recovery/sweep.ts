import { basename, join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { siteOfTask } from '../../contract/names';
import type { DatabaseServer, Fence } from '../databases/database-server';
import { removeEmptyFolder } from '../hosts/empty-folder';
import { UNFINISHED_FILE } from '../hosts/durable-file';
import { LOCK_FILE, findEndedLock } from '../hosts/file-lock';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { previousFolders, stagingFolders } from '../sites/switch-folders';
import { flagPath, probeFolder } from '../flags/flag-paths';
import { probePrefix } from '../flags/probe-file';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import { finishDeletion, halfDeleted } from '../catalog/deletion';
import { Claims, type TaskLeftovers, reasonToKeep, leftoversOf } from './leftovers';
import { dropScratch } from '../proofs/prove-definitions';
import type { Scratches } from '../proofs/scratches';
import type { SiteLocks } from '../tasks/site-locks';
import type { SiteState, SiteStates } from '../tasks/site-state';

/** One thing that a closed task, or a crash, left behind. */
export interface Leftover {
  /** `the staging folder /srv/.kedge/1a2b3c4d5e` */
  readonly what: string;
  /** Whose journal says that Kedge made it; null for a file that a crash cut short. */
  readonly task: string | null;
  /** Idempotent. Looks once more whether a site has come to use it. */
  readonly remove: (operation: Operation) => Promise<void>;
}

export interface Search {
  readonly leftovers: readonly Leftover[];
  /** What is left for a person, and where the sweeper could not look. */
  readonly problems: readonly string[];
  /** Sites that are shut although no task is open. */
  readonly shut: readonly string[];
}

export interface Swept {
  /** What was removed, in words. */
  readonly removed: readonly string[];
  readonly problems: readonly string[];
}

/** What the sweeper acts through. */
export interface SweepParts {
  readonly master: MasterHost;
  readonly journals: Journals;
  readonly states: SiteStates;
  /** The host of each web server, by its name in the configuration. */
  readonly webHosts: ReadonlyMap<string, Host>;
  /** By the name in the configuration. */
  readonly databaseServers: ReadonlyMap<string, (signal?: AbortSignal, holder?: string) => Promise<DatabaseServer>>;
  readonly locks: SiteLocks;
  readonly scratches: Scratches;
  /** Folders of the master in which files are written durably; those below `backups` are looked through too. */
  readonly folders: { readonly state: string; readonly backups: string };
  /** Folders of maintenance flags. */
  readonly flags: readonly { readonly host: Host; readonly path: string }[];
}

/** Younger files may be in use: nothing that uses one takes nearly as long. */
const LEFTOVER_AFTER_MS = 10 * 60_000;

/** Folders of `<state>` that hold files of their own. */
const STATE_FOLDERS = [
  ...['', 'tasks', 'open', 'sites', 'epochs', 'locks', 'requests', 'proofs', 'scratch', 'notices'],
  ...['leases/backups', 'leases/restores'],
];

/**
 * Finds and removes what closed tasks own and crashes left. Goes by journals: what none says Kedge made is not touched,
 * nor what an open task or a site's state names. While a journal or a state cannot be read its site is passed over, and while a
 * state cannot be read no database is dropped: nobody knows which of them that site uses.
 */
export class Sweeper {
  /** Closed tasks of which nothing is left, with their marks: not looked at again but for processes. */
  private readonly settled = new Map<string, string>();

  private parts!: SweepParts;

  /** `read`: asked at each search, for the servers and folders there are now. */
  constructor(private readonly read: () => Promise<SweepParts>) {}

  /** True once a search found nothing left of the task. */
  isSettled(task: string): boolean {
    return this.settled.has(task);
  }

  /**
   * Looks, for what one task left or for everything, and changes nothing. What belongs to a site whose journal or state cannot be
   * read is a problem, and left alone.
   */
  async search(signal: AbortSignal, only?: string): Promise<Search> {
    this.parts = await this.read();
    const problems: string[] = [];
    const shut: string[] = [];
    /** Sites of which not all is known: what they use may be among what closed tasks made. */
    const unreadable = new Set<string>();
    const open: Journal[] = [];
    const closed: {
      made: TaskLeftovers;
      journal: Pick<Journal, 'switched' | 'committed' | 'fence'> & { abandoned: boolean };
    }[] = [];
    if (only !== undefined) {
      open.push(...(await this.parts.journals.open()));
      for (const task of (await this.parts.journals.unreadable()).keys()) unreadable.add(siteOfTask(task) ?? task);
    }
    for (const task of only === undefined ? await this.parts.journals.all() : [only]) {
      signal.throwIfAborted();
      if (this.settled.has(task)) continue;
      const journal = await this.parts.journals.find(task).catch((error: unknown) => {
        problems.push(`${siteOfTask(task) ?? task} is passed over: ${textOf(error)}`);
        unreadable.add(siteOfTask(task) ?? task);
        return undefined;
      });
      if (journal?.outcome === null) {
        if (only === undefined) open.push(journal);
      } else if (journal)
        closed.push({
          made: leftoversOf(journal),
          journal: {
            switched: journal.switched,
            committed: journal.committed,
            fence: journal.committed || journal.fence?.lowered === true ? null : journal.fence,
            abandoned: journal.outcome?.status === 'abandoned',
          },
        });
    }
    const known = await this.parts.states.readable();
    for (const [site, problem] of known.unreadable) {
      problems.push(`${site} is passed over: ${problem}`);
      unreadable.add(site);
    }
    const { states } = known;
    const claims = new Claims(states, open);
    const leftovers: Leftover[] = [];
    const servers = new DatabaseServers(this.parts.databaseServers);
    for (const { made, journal } of closed) {
      signal.throwIfAborted();
      if (unreadable.has(made.site)) continue;
      const host = this.webHostOf(made);
      const reason = host ? await reasonToKeep(made, journal, host) : null;
      if (reason !== null) {
        problems.push(reason);
        continue;
      }
      const fence = isInUse(journal.fence, made.site, states, open) ? journal.fence : null;
      const needsServer = made.databases.length + made.accounts.length > 0 || fence !== null;
      const server = needsServer ? await servers.at(made.databaseServer ?? '') : null;
      const found = await this.files(made, host);
      if (server && known.unreadable.size === 0) found.push(...(await this.databaseThings(made, server, claims)));
      found.push(...(await this.probeFilesOf(made)));
      // A whole search finds them by their age.
      if (only !== undefined) found.push(...(await this.unfinishedFilesOf(made, open)));
      if (found.length > 0 && journal.abandoned && journal.switched && !journal.committed) {
        // Nobody but who abandoned it knows which folder and which database the site lives on now.
        const left = found.map(({ what }) => what).join(', ');
        problems.push(`${made.task} was abandoned in the middle of its switch and left ${left}`);
        continue;
      }
      leftovers.push(...found);
      const isLocked = fence !== null && server !== null && (await isStillFenced(server.server, fence));
      if (isLocked) {
        const { task, site } = made;
        const why = `${task} was closed and left the account ${fence.account.user} of ${site} locked`;
        shut.push(`${why}: run \`kedge sites online ${site}\``);
      }
      const nothingThere = found.length === 0 && !isLocked && (server ? !hasAny(server, made) : !needsServer);
      if (host && nothingThere) this.settled.set(made.task, made.mark);
    }
    problems.push(...servers.problems);
    const sites =
      only === undefined ? states : states.filter(({ site }) => closed.some(({ made }) => made.site === site));
    const isBusy = (site: string): boolean => unreadable.has(site) || open.some((journal) => journal.site === site);
    shut.push(...(await this.shutSites(sites, isBusy)));
    const marks = new Map(only === undefined ? [...this.settled].map(([task, mark]) => [mark, task]) : []);
    for (const { made } of closed) marks.set(made.mark, made.task);
    leftovers.push(...(await this.processes(marks)));
    if (only === undefined) leftovers.push(...(await this.scratches(problems)));
    if (only === undefined)
      leftovers.push(
        ...(await this.unfinishedFiles()),
        ...(await this.probeFiles(isBusy)),
        ...(await this.deletions()),
      );
    return { leftovers, problems, shut };
  }

  /**
   * Removes everything that a search finds, for one task or for all, one after the other; what cannot be removed is a problem, and
   * no reason to stop.
   */
  async sweep(operationFor: (task: string | null) => Operation, only?: string): Promise<Swept> {
    const { leftovers, problems, shut } = await this.search(operationFor(null).signal, only);
    const removed: string[] = [];
    const failed: string[] = [];
    for (const { what, task, remove } of leftovers) {
      const operation = operationFor(task);
      operation.signal.throwIfAborted();
      try {
        await remove(operation);
        removed.push(what);
        operation.log.info(`removed ${what}, which was left behind`);
      } catch (error) {
        operation.signal.throwIfAborted();
        failed.push(`${what} cannot be removed: ${textOf(error)}`);
      }
    }
    return { removed, problems: [...problems, ...shut, ...failed] };
  }

  /** Null where the configuration names the server no more. */
  private webHostOf({ webServer }: TaskLeftovers): Host | null {
    return webServer === null ? this.parts.master : (this.parts.webHosts.get(webServer) ?? null);
  }

  private async files(made: TaskLeftovers, webHost: Host | null): Promise<Leftover[]> {
    const { master } = this.parts;
    const { task, spool, unfinished } = made;
    const found: Leftover[] = [];
    const look = async (host: Host, path: string, what: string, remove: Leftover['remove']): Promise<void> => {
      if ((await host.status(path)) !== undefined) found.push({ what: `${what} ${path}`, task, remove });
    };
    for (const staging of stagingFolders(made.staged))
      if (webHost)
        await look(webHost, staging, 'the staging folder', (operation) => webHost.removeTree(staging, operation));
    for (const previous of previousFolders(made.staged))
      if (webHost)
        await look(webHost, previous, 'the folder of before', async (operation) => {
          if (made.committed) await webHost.removeTree(previous, operation);
          else if (!(await removeEmptyFolder(webHost, previous, operation)))
            throw new KedgeError('FileRefused', 'it holds a folder of the site');
        });
    if (spool !== null)
      await look(master, spool, 'the spool folder', (operation) => master.removeTree(spool, operation));
    if (unfinished !== null)
      await look(master, unfinished, 'the unfinished archive', (operation) => master.removeTree(unfinished, operation));
    return found;
  }

  private async databaseThings(made: TaskLeftovers, at: KnownServer, claims: Claims): Promise<Leftover[]> {
    const { server, databases, users } = at;
    const { task, site } = made;
    const { states, locks } = this.parts;
    const found: Leftover[] = [];
    // In turn with the tasks of the site, and with who adopts it: nobody comes to use what is looked at here meanwhile.
    const drop =
      (isClaimed: (claims: Claims) => boolean, work: (own: DatabaseServer) => Promise<void>) =>
      (operation: Operation) =>
        locks.hold(site, operation, async ({ signal, name }) => {
          const now = await states.readable();
          if (now.unreadable.size > 0 || isClaimed(new Claims(now.states, []))) return;
          await work(await at.open(signal, name));
        });
    // The accounts first: nobody writes into a database that goes.
    for (const account of made.accounts) {
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
    for (const database of made.databases) {
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
  private async scratches(problems: string[]): Promise<Leftover[]> {
    const { master, scratches, databaseServers } = this.parts;
    const left = await scratches.left();
    problems.push(...left.problems.map((problem) => `a scratch database is passed over: ${problem}`));
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

  private async processes(tasks: ReadonlyMap<string, string>): Promise<Leftover[]> {
    const found: Leftover[] = [];
    for (const host of new Set([this.parts.master, ...this.parts.webHosts.values()])) {
      for (const mark of await host.listMarks()) {
        const [, ofTask = '', step = ''] = /^(?:undo-|finish-)?([a-z0-9]+)\/(\w+)/.exec(mark) ?? [];
        const task = tasks.get(ofTask);
        if (task === undefined) continue;
        // Its mark is a secret.
        const what = `a process of the step ${step} on ${host.name}`;
        found.push({ what, task, remove: async () => void (await host.endProcesses(mark)) });
      }
    }
    return found;
  }

  /** Sites whose maintenance page is up although no task is open: theirs is a person's decision. */
  private async shutSites(states: readonly SiteState[], isBusy: (site: string) => boolean): Promise<string[]> {
    const shut: string[] = [];
    const sites = states.map(({ site }) => site);
    for (const { host, path } of this.parts.flags) {
      const names = new Set(await host.list(path));
      for (const site of sites) {
        if (!names.has(basename(flagPath(path, site))) || isBusy(site)) continue;
        shut.push(`${site} shows its maintenance page, and no task is open: run \`kedge sites online ${site}\``);
      }
    }
    return shut;
  }

  /** Temporary files of durable writes, which are renamed within moments. */
  private async unfinishedFiles(): Promise<Leftover[]> {
    const { master, folders, flags } = this.parts;
    const places = [
      ...STATE_FOLDERS.map((name) => ({ host: master, path: join(folders.state, name) })),
      ...(await master.list(folders.backups)).map((site) => ({ host: master, path: join(folders.backups, site) })),
      ...flags,
    ];
    const found: Leftover[] = [];
    for (const { host, path: folder } of places) {
      for (const name of await host.list(folder)) {
        const path = join(folder, name);
        if (UNFINISHED_FILE.test(name)) found.push(...(await oldFile(host, path, 'the unfinished file')));
        const lock = host === master && LOCK_FILE.test(name) ? await findEndedLock(path, master) : null;
        if (lock)
          found.push({ what: `the lock ${path} of a process that has ended`, task: null, remove: () => lock.remove() });
      }
    }
    return found;
  }

  /** Backups whose deletion was cut off. */
  private async deletions(): Promise<Leftover[]> {
    const { master, folders } = this.parts;
    const found: Leftover[] = [];
    for (const site of await master.list(folders.backups)) {
      const folder = join(folders.backups, site);
      for (const id of halfDeleted(await master.list(folder)))
        found.push({ what: `the deleted backup ${id}`, task: null, remove: () => finishDeletion(master, folder, id) });
    }
    return found;
  }

  /**
   * Those of a closed task, whatever their age: they hold what its journal had, passwords among it. Those of its site too, which are
   * written under its lock.
   */
  private async unfinishedFilesOf({ task, site }: TaskLeftovers, open: readonly Journal[]): Promise<Leftover[]> {
    const { master, folders, locks } = this.parts;
    const isBusy = open.some((journal) => journal.site === site);
    const found: Leftover[] = [];
    for (const name of STATE_FOLDERS) {
      const folder = join(folders.state, name);
      for (const file of (await master.list(folder)).filter((each) => UNFINISHED_FILE.test(each))) {
        const path = join(folder, file);
        const remove = (): Promise<void> => master.removeFile(path);
        const what = `the unfinished file ${path}`;
        if (file.startsWith(`.${task}.`)) found.push({ what, task, remove });
        else if (!isBusy && file.startsWith(`.${site}.json.`))
          found.push({ what, task, remove: (operation) => locks.hold(site, operation, remove) });
      }
    }
    return found;
  }

  /** Those of a closed task, whatever their age. */
  private async probeFilesOf({ task, site, mark }: TaskLeftovers): Promise<Leftover[]> {
    const found: Leftover[] = [];
    for (const { host, path } of this.parts.flags) {
      const folder = probeFolder(path, site);
      for (const name of (await host.list(folder)).filter((file) => file.startsWith(probePrefix(mark)))) {
        const file = join(folder, name);
        found.push({ what: `the probe file ${file}`, task, remove: () => host.removeFile(file) });
      }
    }
    return found;
  }

  /** Probe files are removed by who made them, unless he was killed. Sites with a task that is open, or may be, are passed over. */
  private async probeFiles(isBusy: (site: string) => boolean): Promise<Leftover[]> {
    const found: Leftover[] = [];
    for (const { host, path } of this.parts.flags) {
      for (const folder of (await host.list(path)).filter((name) => name.endsWith(PROBE_FOLDER))) {
        const site = folder.slice(0, -PROBE_FOLDER.length);
        if (isBusy(site)) continue;
        for (const name of await host.list(join(path, folder)))
          found.push(...(await oldFile(host, join(path, folder, name), 'the probe file')));
      }
    }
    return found;
  }
}

const PROBE_FOLDER = '.probe';

interface KnownServer {
  readonly server: DatabaseServer;
  readonly open: (signal?: AbortSignal, holder?: string) => Promise<DatabaseServer>;
  readonly databases: ReadonlySet<string>;
  readonly users: ReadonlySet<string>;
}

/** Also when a site has come to use it. */
function hasAny({ databases, users }: KnownServer, made: TaskLeftovers): boolean {
  return made.databases.some((name) => databases.has(name)) || made.accounts.some(({ user }) => users.has(user));
}

/** What there is on each server, asked once a search. */
class DatabaseServers {
  readonly problems: string[] = [];
  private readonly known = new Map<string, KnownServer | null>();

  constructor(private readonly configured: SweepParts['databaseServers']) {}

  /** Null where the server cannot be looked at. */
  async at(databaseServer: string): Promise<KnownServer | null> {
    const known = this.known.get(databaseServer);
    if (known !== undefined) return known;
    const found = await this.look(databaseServer);
    this.known.set(databaseServer, found);
    return found;
  }

  private async look(name: string): Promise<KnownServer | null> {
    const opened = this.configured.get(name);
    if (!opened) return null;
    try {
      const server = await opened();
      return {
        server,
        open: opened,
        databases: new Set(await server.databaseNames()),
        users: new Set(await server.userNames()),
      };
    } catch (error) {
      this.problems.push(`${name} cannot be asked for what tasks left there: ${textOf(error)}`);
      return null;
    }
  }
}

/** True when the site still lives on the account, and no open task is at work on it. */
function isInUse(fence: Fence | null, site: string, states: readonly SiteState[], open: readonly Journal[]): boolean {
  if (!fence || open.some((journal) => journal.site === site)) return false;
  return states.some((state) => state.site === site && state.current.account.user === fence.account.user);
}

async function isStillFenced(server: DatabaseServer, { account, database, lockedBefore }: Fence): Promise<boolean> {
  // Where the server stopped answering, the next search tells.
  const now = await server.planFence(account, database).catch(() => null);
  return now?.lockedBefore.some((host) => !lockedBefore.includes(host)) ?? false;
}

async function oldFile(host: Host, path: string, what: string): Promise<Leftover[]> {
  const status = await host.status(path);
  if (status?.type !== 'file' || status.modifiedMs > Date.now() - LEFTOVER_AFTER_MS) return [];
  return [{ what: `${what} ${path}`, task: null, remove: () => host.removeFile(path) }];
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
