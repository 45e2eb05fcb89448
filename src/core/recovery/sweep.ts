import { siteOfTask } from '../../contract/names';
import type { Fence } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Journal } from '../tasks/journal';
import type { SiteState } from '../tasks/site-state';
import { DatabaseServers, hasAny } from './left-behind/database-servers';
import { findDatabases, findScratches } from './left-behind/databases';
import { findDeletions } from './left-behind/deletions';
import { findFoldersOfMaster, findFoldersOfSite } from './left-behind/folders';
import { findShutSites, isInUse, isStillFenced } from './left-behind/left-shut';
import type { Leftover, SearchParts, SweepParts } from './left-behind/leftover';
import { Machines, nameItAgain } from './left-behind/machines';
import { findProbeFiles, findProbeFilesOf } from './left-behind/probe-files';
import { findProcesses } from './left-behind/processes';
import { findSockets } from './left-behind/sockets';
import { findUnfinishedFiles, findUnfinishedFilesOf } from './left-behind/unfinished-files';
import { Claims, type TaskLeftovers, reasonToKeep, leftoversOf } from './leftovers';
import { type Problem, lastingProblem, problemOf } from './problem';

export interface Search {
  readonly leftovers: readonly Leftover[];
  /** What is left for a person, and where the sweeper could not look. */
  readonly problems: readonly Problem[];
  /** Sites that are shut although no task is open. */
  readonly shut: readonly Problem[];
}

export interface Swept {
  /** What was removed, in words. */
  readonly removed: readonly string[];
  readonly problems: readonly Problem[];
}

/** A closed task: what it made, and what of its journal decides about that. */
interface ClosedTask {
  readonly made: TaskLeftovers;
  readonly journal: Pick<Journal, 'switched' | 'committed' | 'fence'> & { readonly abandoned: boolean };
}

/** The tasks of a search, and what is known of all sites. */
interface Known {
  readonly open: readonly Journal[];
  readonly closed: readonly ClosedTask[];
  readonly states: readonly SiteState[];
  /** Nobody knows which databases the sites of unreadable states use. */
  readonly areStatesWhole: boolean;
  /** Sites of which not all is known: what they use may be among what closed tasks made. */
  readonly unreadable: ReadonlySet<string>;
}

/** What a search comes to, as it goes. */
interface Found {
  readonly leftovers: Leftover[];
  readonly problems: Problem[];
  readonly shut: Problem[];
}

/**
 * Finds and removes what closed tasks own and crashes left. Goes by journals: what none says Kedge made is not touched,
 * nor what an open task or a site's state names. While a journal or a state cannot be read its site is passed over, and while a
 * state cannot be read no database is dropped: nobody knows which of them that site uses.
 */
export class Sweeper {
  /** Closed tasks of which nothing is left, with their marks: not looked at again but for processes. */
  private readonly settled = new Map<string, string>();

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
    const read = await this.read();
    const search: Found = { leftovers: [], problems: [], shut: [] };
    const { leftovers, problems, shut } = search;
    const known = await this.lookAtTasks(read, signal, only, problems);
    const { open, closed, states, unreadable } = known;
    const ofTask = only === undefined ? null : new Set(closed.flatMap(({ made }) => made.webServer ?? []));
    const machines = new Machines(read.master, problems);
    const parts = { ...(await machines.answering(read, ofTask)), machines };
    const servers = new DatabaseServers(parts.databaseServers);
    const claims = new Claims(states, open);
    for (const task of closed) {
      signal.throwIfAborted();
      if (!unreadable.has(task.made.site))
        await this.searchTask(parts, task, known, { servers, claims, isAlone: only !== undefined }, search);
    }
    problems.push(...servers.problems);
    const sites =
      only === undefined ? states : states.filter(({ site }) => closed.some(({ made }) => made.site === site));
    const isBusy = (site: string): boolean => unreadable.has(site) || open.some((journal) => journal.site === site);
    shut.push(...(await findShutSites(parts, sites, isBusy)));
    const marks = new Map(only === undefined ? [...this.settled].map(([task, mark]) => [mark, task]) : []);
    for (const { made } of closed) marks.set(made.mark, made.task);
    leftovers.push(...(await findProcesses(parts, marks)));
    if (only === undefined)
      leftovers.push(
        ...(await findScratches(parts, problems)),
        ...(await findUnfinishedFiles(parts)),
        ...(await findProbeFiles(parts, isBusy)),
        ...(await findDeletions(parts)),
        ...(await findSockets(parts)),
      );
    return search;
  }

  /**
   * Removes everything that a search finds, for one task or for all, one after the other; what cannot be removed is a problem, and
   * no reason to stop.
   */
  async sweep(operationFor: (task: string | null) => Operation, only?: string): Promise<Swept> {
    const { leftovers, problems, shut } = await this.search(operationFor(null).signal, only);
    const removed: string[] = [];
    const failed: Problem[] = [];
    for (const { what, task, remove } of leftovers) {
      const operation = operationFor(task);
      operation.signal.throwIfAborted();
      try {
        await remove(operation);
        removed.push(what);
        operation.log.info(`removed ${what}, which was left behind`);
      } catch (error) {
        operation.signal.throwIfAborted();
        failed.push(problemOf(`${what} cannot be removed`, error));
      }
    }
    return { removed, problems: [...problems, ...shut, ...failed] };
  }

  /** Reads the journals of one task or of all that are not settled, those of open tasks, and the states of all sites. */
  private async lookAtTasks(
    { journals, states }: SweepParts,
    signal: AbortSignal,
    only: string | undefined,
    problems: Problem[],
  ): Promise<Known> {
    const unreadable = new Set<string>();
    const open: Journal[] = [];
    const closed: ClosedTask[] = [];
    if (only !== undefined) {
      open.push(...(await journals.open()));
      for (const task of (await journals.unreadable()).keys()) unreadable.add(siteOfTask(task) ?? task);
    }
    for (const task of only === undefined ? await journals.all() : [only]) {
      signal.throwIfAborted();
      if (this.settled.has(task)) continue;
      const journal = await journals.find(task).catch((error: unknown) => {
        problems.push(problemOf(`${siteOfTask(task) ?? task} is passed over`, error));
        unreadable.add(siteOfTask(task) ?? task);
        return undefined;
      });
      if (journal?.outcome === null) {
        if (only === undefined) open.push(journal);
      } else if (journal) closed.push(closedTask(journal));
    }
    const readable = await states.readable();
    for (const [site, problem] of readable.unreadable) {
      problems.push(problemOf(`${site} is passed over`, problem));
      unreadable.add(site);
    }
    return { open, closed, states: readable.states, areStatesWhole: readable.unreadable.size === 0, unreadable };
  }

  /** What one closed task left. @param isAlone the search is for this task */
  private async searchTask(
    parts: SearchParts,
    { made, journal }: ClosedTask,
    { open, states, areStatesWhole }: Known,
    { servers, claims, isAlone }: { servers: DatabaseServers; claims: Claims; isAlone: boolean },
    { leftovers, problems, shut }: Found,
  ): Promise<void> {
    const onWeb = await lookAtWebHost(parts, made, journal);
    if (onWeb.reasonToKeep !== null) {
      problems.push(lastingProblem(onWeb.reasonToKeep));
      return;
    }
    const fence = journal.fence && isInUse(journal.fence, made.site, states) ? journal.fence : null;
    const needsServer = made.databases.length + made.accounts.length > 0 || fence !== null;
    const server = needsServer ? await servers.at(made.databaseServer ?? '') : null;
    const found = [...onWeb.found, ...(await findFoldersOfMaster(parts, made))];
    const databases =
      server && areStatesWhole
        ? await servers.ask(made.databaseServer ?? '', () => findDatabases(parts, made, server, claims))
        : null;
    const isTorn = journal.switched && !journal.committed;
    if (onWeb.isJudged || !isTorn || journal.abandoned) found.push(...(databases ?? []));
    else if (databases && databases.length > 0)
      // Only its folders tell whether the site lives on them.
      problems.push(
        lastingProblem(`${made.task} left ${namesOf(databases)}, which stay until ${made.webServer} can be looked at`),
      );
    // A whole search finds them by their age.
    if (isAlone) found.push(...(await findUnfinishedFilesOf(parts, made, open)));
    if (found.length > 0 && journal.abandoned && isTorn) {
      // Nobody but who abandoned it knows which folder and which database the site lives on now.
      problems.push(
        lastingProblem(`${made.task} was abandoned in the middle of its switch and left ${namesOf(found)}`),
      );
      return;
    }
    leftovers.push(...found);
    const isLocked = await isLockedBy(fence, made, open, servers);
    if (isLocked && fence) {
      const { task, site } = made;
      const what = `${task} was closed and left the account ${fence.account.user} of ${site} locked`;
      shut.push(problemOf(what, `run \`kedge sites online ${site}\``));
    }
    // A question that nobody answered settles nothing.
    const nothingThere = found.length === 0 && isLocked === false && (server ? !hasAny(server, made) : !needsServer);
    if (onWeb.isWhole && nothingThere) this.settled.set(made.task, made.mark);
  }
}

/** Whether a closed task left the account of its site locked; null where that cannot be told now. */
async function isLockedBy(
  fence: Fence | null,
  { site, databaseServer }: TaskLeftovers,
  open: readonly Journal[],
  servers: DatabaseServers,
): Promise<boolean | null> {
  if (!fence) return false;
  // That one may have locked it.
  if (open.some((journal) => journal.site === site)) return null;
  const name = databaseServer ?? '';
  const known = await servers.at(name);
  return known && servers.ask(name, () => isStillFenced(known.server, fence));
}

/** What was seen of a closed task on the machine of its web server. */
interface OnWebHost {
  readonly found: readonly Leftover[];
  /** Why all is left for a person. */
  readonly reasonToKeep: string | null;
  /** Whether there is one could be seen. */
  readonly isJudged: boolean;
  /** All else could be seen too. */
  readonly isWhole: boolean;
}

const NOTHING_SEEN: OnWebHost = { found: [], reasonToKeep: null, isJudged: false, isWhole: false };

async function lookAtWebHost(
  parts: SearchParts,
  made: TaskLeftovers,
  journal: ClosedTask['journal'],
): Promise<OnWebHost> {
  const host = webHostOf(parts, made);
  if (!host) return NOTHING_SEEN;
  const question = { site: made.site, whenRefused: nameItAgain(host) };
  const folders = await parts.machines.ask(
    host,
    question,
    async () => (await reasonToKeep(made, journal, host)) ?? findFoldersOfSite(made, host),
  );
  if (folders === null) return NOTHING_SEEN;
  if (typeof folders === 'string') return { ...NOTHING_SEEN, reasonToKeep: folders };
  const probes = await findProbeFilesOf(parts, made, host);
  const found = [...folders, ...(probes ?? [])];
  return { found, reasonToKeep: null, isJudged: true, isWhole: probes !== null };
}

/** Null where the configuration names that machine no more, or it does not answer. */
function webHostOf({ master, webHosts }: SearchParts, { webServer, webElsewhere }: TaskLeftovers): Host | null {
  const host = webServer === null ? master : webHosts.get(webServer);
  return host !== undefined && (host !== master) === webElsewhere ? host : null;
}

function closedTask(journal: Journal): ClosedTask {
  const { switched, committed, fence, outcome } = journal;
  return {
    made: leftoversOf(journal),
    journal: {
      switched,
      committed,
      fence: committed || fence?.lowered === true ? null : fence,
      abandoned: outcome?.status === 'abandoned',
    },
  };
}

function namesOf(leftovers: readonly Leftover[]): string {
  return leftovers.map(({ what }) => what).join(', ');
}
