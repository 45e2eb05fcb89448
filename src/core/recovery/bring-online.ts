import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import type { Epochs } from '../tasks/epochs';
import {
  type TaskContext,
  type LockedTask,
  type LockParts,
  assertSwitchedBack,
  endMaintenance,
  underLock,
  putVhostBack,
  switchBack,
  unlockForGood,
} from './give-back';
import { type Journal, markOf } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { SiteAtWork } from '../sites/site-at-work';
import { type Unended, endWhereReached } from './end-where-reached';
import { type Problem, problemOf } from './problem';
import { type Obstacle, type ObstacleParts, findObstacles } from './shut-sites';
import { withinLimit } from './within-limit';

export interface OnlineParts extends LockParts {
  readonly epochs: Epochs;
  siteAtWork(target: Target): SiteAtWork;
}

/** Who takes a site over, and why: what its tasks are told when they find out. */
export interface TakeOver {
  readonly by: string;
  readonly why: string;
}

/** What was done for one task of the site. */
export interface BroughtOnline {
  readonly task: string;
  readonly problems: readonly Problem[];
  /** What is still to be done on a machine that does not answer; null where it answers, or nothing is left there. */
  readonly left: LeftThere | null;
  /** The problems are those of a machine that does not answer, and no others. */
  readonly onlyWaits: boolean;
}

/** Parts of a site that wait for a machine. */
export interface LeftThere {
  readonly server: string;
  readonly parts: readonly string[];
  /** Why nothing is done there. */
  readonly error: Error;
}

/**
 * Gives a site back to its visitors from the journals of its open tasks alone, with Temporal away and whatever its worker
 * is doing: none of these tasks will switch it afterwards. A restore behind its commit point is shown as restored. A call that finds them
 * taken over already does what is left to be done, and takes over nothing anew.
 * Each part is tried, whatever became of the others; but a machine on which what runs for the task cannot be ended is left alone, and told
 * as a problem, whoever has the lock of the site meanwhile is waited for longer, and nothing is shown before its folders are back. What
 * tasks made is left to their undo.
 */
export async function bringOnline(
  parts: OnlineParts,
  site: string,
  takeOver: TakeOver,
  operation: Operation,
): Promise<BroughtOnline[]> {
  const open = (await parts.journals.open(site)).filter(({ target }) => target !== null);
  if (open.length === 0) return [];
  // Whatever holds the lock for such a task ends with its programs: a hook, say, that does not.
  const unended = new Map<string, Unended | null>();
  for (const journal of open)
    if (journal.target)
      unended.set(journal.task, await endWhereReached(parts.siteAtWork(journal.target), markOf(journal), operation));
  operation.signal.throwIfAborted();
  // Whoever has the lock may reach a machine that this process does not: what it does there is to come to its end.
  const isAway = [...unended.values()].some((one) => one !== null);
  const patient = isAway ? { ...parts, locks: parts.locks.patient() } : parts;
  const brought: BroughtOnline[] = [];
  for (const task of await supersede(patient, site, open, takeOver, operation)) {
    const given = await giveBack(patient, await parts.journals.get(task), unended.get(task) ?? null, operation);
    if (given.problems.length === 0) await noteGivenBack(parts.journals, task);
    brought.push({ task, ...given });
  }
  return brought;
}

/**
 * Sees to it that tasks of a site may only undo, once for each of them. Returns those that are open still: a machine that does not answer
 * was waited for until now, and what has begun since is not taken over.
 */
async function supersede(
  { locks, journals, epochs }: LockParts & Pick<OnlineParts, 'epochs'>,
  site: string,
  tasks: readonly Journal[],
  { by, why }: TakeOver,
  operation: Operation,
): Promise<string[]> {
  const stillOpen = async (): Promise<Journal[]> => {
    const open = await journals.open(site);
    return open.filter(({ task }) => tasks.some((known) => known.task === task));
  };
  const mayGoOn = async (open: readonly Journal[]): Promise<boolean> => {
    const epoch = await epochs.current(site);
    return open.some((journal) => journal.epoch >= epoch);
  };
  let open = await stillOpen();
  if (await mayGoOn(open))
    // Under the lock: a switch or a commit is done or will be refused, and the journals read behind it say which.
    await locks.hold(site, operation, async () => {
      open = await stillOpen();
      if (await mayGoOn(open)) await epochs.raise(site, by, why);
    });
  return open.map(({ task }) => task);
}

async function noteGivenBack(journals: Journals, task: string): Promise<void> {
  await journals.recordUndo(task, { givenBack: new Date().toISOString() }).catch((error: unknown) => {
    // It was closed meanwhile, and nobody asks any more.
    if (!isKedgeError(error) || error.code !== 'TaskSuperseded') throw error;
  });
}

/** What was found in the way of a site's visitors, with no open task, and what became of it. */
export interface RemovedObstacle {
  readonly what: string;
  readonly removed: boolean;
  /** Why it is still there. */
  readonly problem: string | null;
}

/**
 * Takes away whatever keeps a site from its visitors and belongs to no open task. Each is tried, whatever became of the
 * others.
 */
export async function removeObstacles(
  parts: ObstacleParts & Pick<LockParts, 'locks'>,
  site: SiteAtWork,
  operation: Operation,
): Promise<RemovedObstacle[]> {
  const { uri } = site;
  const done: RemovedObstacle[] = [];
  const obstacles = await findObstacles(parts, site, operation);
  // Whoever has the lock may see what this process could not look at.
  const locks = obstacles.some(({ unseen }) => unseen) ? parts.locks.patient() : parts.locks;
  let isTorn = false;
  for (const { part, what, hint, remove, unseen } of obstacles) {
    if (remove === null) {
      isTorn ||= part === 'switch' || (part === 'folder' && unseen === true);
      done.push({ what, removed: false, problem: hint });
      continue;
    }
    if (isTorn && SHOWS_THE_SITE.has(part)) {
      done.push({
        what,
        removed: false,
        problem: 'it stays while nobody knows that the folders of the site are whole',
      });
      continue;
    }
    try {
      await locks.hold(uri, operation, async () => {
        const [open] = await parts.journals.open(uri);
        if (open) throw new KedgeError('SiteBusy', `${open.task} has begun meanwhile`, { site: uri });
        await remove(operation);
      });
      done.push({ what, removed: true, problem: null });
    } catch (error) {
      operation.signal.throwIfAborted();
      isTorn ||= part === 'switch';
      done.push({ what, removed: false, problem: isKedgeError(error) ? error.message : String(error) });
    }
  }
  return done;
}

/** What keeps visitors from folders that may be half switched. */
const SHOWS_THE_SITE: ReadonlySet<Obstacle['part']> = new Set(['maintenance file', 'maintenance page']);

async function giveBack(
  parts: OnlineParts,
  journal: Journal,
  unended: Unended | null,
  operation: Operation,
): Promise<Omit<BroughtOnline, 'task'>> {
  const { target } = journal;
  if (!target) return { problems: [], left: null, onlyWaits: false };
  const problems: Problem[] = [];
  const site = parts.siteAtWork(target);
  const act = (work: (now: LockedTask) => Promise<void>) => (task: TaskContext) => underLock(parts, task, work);
  const attempt = async (what: string, work: (task: TaskContext) => Promise<void>): Promise<unknown> => {
    try {
      await withinLimit(operation, (limited) => work({ journal, site, operation: limited }));
      operation.log.info(`${what}: done`);
      return null;
    } catch (error) {
      operation.signal.throwIfAborted();
      problems.push(problemOf(what, error));
      return error;
    }
  };
  const unreached: { readonly what: string; readonly error: Error }[] = [];
  const onItsMachine = async (...part: Parameters<typeof attempt>): Promise<void> => {
    const [what] = part;
    const failure = unended === null ? await attempt(...part) : null;
    if (unended !== null) unreached.push({ what, error: unended.error });
    else if (isKedgeError(failure) && failure.code === 'HostUnreachable') unreached.push({ what, error: failure });
  };
  if (!journal.committed) {
    if (journal.switched) await onItsMachine('the folders from before', (task) => switchBack(parts, task));
    if (journal.vhostBefore) await onItsMachine('the vhost from before', act(putVhostBack));
    if (journal.fence && !journal.fence.lowered)
      await attempt(
        'the database account',
        act((now) => unlockForGood(parts.journals, now)),
      );
  }
  if (journal.maintenance?.ended === null) await onItsMachine('the end of maintenance', act(showSite));
  const names = unreached.map(({ what }) => what);
  // What was not begun for a machine is no problem of its own.
  const others = problems.length - (unended === null ? unreached.length : 0);
  if (unended !== null) problems.push(problemOf(describeUnended(unended, names), unended.error));
  const [first] = unreached;
  return {
    problems,
    left: first ? { server: site.host.name, parts: names, error: first.error } : null,
    onlyWaits: problems.length > 0 && others === 0,
  };
}

/** Visitors are to find one site or the other, and whole. */
async function showSite(now: LockedTask): Promise<void> {
  if (!now.journal.committed) await assertSwitchedBack(now);
  await endMaintenance(now);
}

function describeUnended({ server }: Unended, left: readonly string[]): string {
  const what = `what runs on ${server} for the task could not be ended`;
  return left.length === 0 ? what : `${left.join(', ')}: ${what}`;
}
