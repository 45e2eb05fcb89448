import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import type { Epochs } from '../tasks/epochs';
import {
  type TaskContext,
  type LockedTask,
  type LockParts,
  endMaintenance,
  underLock,
  liftFence,
  putVhostBack,
  switchBack,
} from './give-back';
import { type Journal, markOf } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import { type SiteAtWork, endProcessesOf } from '../sites/site-at-work';
import { type ObstacleParts, findObstacles } from './shut-sites';

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
  readonly problems: readonly string[];
}

/**
 * Gives a site back to its visitors from the journals of its open tasks alone, with Temporal away and whatever its worker
 * is doing: no task that is open now will switch it afterwards. A restore behind its commit point is shown as restored.
 * Each part is tried, whatever became of the others. What tasks made is left to their undo.
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
  for (const journal of open)
    if (journal.target) await endProcessesOf(parts.siteAtWork(journal.target), markOf(journal));
  // Under the lock: a switch or a commit is done or will be refused, and the journals read below say which.
  await parts.locks.hold(site, operation, () => parts.epochs.raise(site, takeOver.by, takeOver.why));
  const brought: BroughtOnline[] = [];
  for (const { task } of open) {
    const problems = await giveBack(parts, await parts.journals.get(task), operation);
    if (problems.length === 0) await noteGivenBack(parts.journals, task);
    brought.push({ task, problems });
  }
  return brought;
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
  for (const { what, hint, remove } of await findObstacles(parts, site, operation)) {
    if (remove === null) {
      done.push({ what, removed: false, problem: hint });
      continue;
    }
    try {
      await parts.locks.hold(uri, operation, async () => {
        const [open] = await parts.journals.open(uri);
        if (open) throw new KedgeError('SiteBusy', `${open.task} has begun meanwhile`, { site: uri });
        await remove(operation);
      });
      done.push({ what, removed: true, problem: null });
    } catch (error) {
      operation.signal.throwIfAborted();
      done.push({ what, removed: false, problem: isKedgeError(error) ? error.message : String(error) });
    }
  }
  return done;
}

/** One server that hangs must not keep the site from what the others can give back, ms. */
const PART_LIMIT_MS = 60_000;

/** Ends work that takes too long; what does not even hear of its end is not waited for. */
async function withinLimit(operation: Operation, work: (operation: Operation) => Promise<void>): Promise<void> {
  const limit = new AbortController();
  const reached = new Promise<never>((_resolve, reject) => {
    const { signal } = limit;
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const timer = setTimeout(
    () => limit.abort(new KedgeError('ProgramTimedOut', `not done within ${PART_LIMIT_MS / 1000} s`)),
    PART_LIMIT_MS,
  );
  const working = work({ ...operation, signal: AbortSignal.any([operation.signal, limit.signal]) });
  working.catch(() => undefined);
  try {
    await Promise.race([working, reached]);
  } finally {
    clearTimeout(timer);
  }
}

async function giveBack(parts: OnlineParts, journal: Journal, operation: Operation): Promise<string[]> {
  const { target } = journal;
  if (!target) return [];
  const problems: string[] = [];
  const site = parts.siteAtWork(target);
  const act = (work: (now: LockedTask) => Promise<void>) => (task: TaskContext) => underLock(parts, task, work);
  const attempt = async (what: string, work: (task: TaskContext) => Promise<void>): Promise<void> => {
    try {
      await withinLimit(operation, (limited) => work({ journal, site, operation: limited }));
      operation.log.info(`${what}: done`);
    } catch (error) {
      operation.signal.throwIfAborted();
      problems.push(`${what}: ${isKedgeError(error) ? error.message : String(error)}`);
    }
  };
  if (!journal.committed) {
    if (journal.switched) await attempt('the folders from before', (task) => switchBack(parts, task));
    if (journal.vhostBefore) await attempt('the vhost from before', act(putVhostBack));
    if (journal.fence) await attempt('the database account', act(liftFence));
  }
  if (journal.maintenance) await attempt('the end of maintenance', act(endMaintenance));
  return problems;
}
