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
  liftFence,
  putVhostBack,
  switchBack,
} from './give-back';
import { type Journal, markOf } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { SiteAtWork } from '../sites/site-at-work';
import { type Unended, endWhereReached } from './end-where-reached';
import { type ObstacleParts, findObstacles } from './shut-sites';
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
  readonly problems: readonly string[];
}

/**
 * Gives a site back to its visitors from the journals of its open tasks alone, with Temporal away and whatever its worker
 * is doing: no task that is open now will switch it afterwards. A restore behind its commit point is shown as restored.
 * Each part is tried, whatever became of the others; but a machine on which what runs for the task cannot be ended is left alone, and told
 * as a problem, and nothing is shown before its folders are back. What tasks made is left to their undo.
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
  // Under the lock: a switch or a commit is done or will be refused, and the journals read below say which.
  await parts.locks.hold(site, operation, () => parts.epochs.raise(site, takeOver.by, takeOver.why));
  const brought: BroughtOnline[] = [];
  for (const { task } of open) {
    const problems = await giveBack(parts, await parts.journals.get(task), unended.get(task) ?? null, operation);
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

async function giveBack(
  parts: OnlineParts,
  journal: Journal,
  unended: Unended | null,
  operation: Operation,
): Promise<string[]> {
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
  const left: string[] = [];
  const onItsMachine = async (...part: Parameters<typeof attempt>): Promise<void> => {
    if (unended === null) await attempt(...part);
    else left.push(part[0]);
  };
  if (!journal.committed) {
    if (journal.switched) await onItsMachine('the folders from before', (task) => switchBack(parts, task));
    if (journal.vhostBefore) await onItsMachine('the vhost from before', act(putVhostBack));
    if (journal.fence) await attempt('the database account', act(liftFence));
  }
  if (journal.maintenance?.ended === null) await onItsMachine('the end of maintenance', act(showSite));
  return unended === null ? problems : [...problems, describeUnended(unended, left)];
}

/** Visitors are to find one site or the other, and whole. */
async function showSite(now: LockedTask): Promise<void> {
  if (!now.journal.committed) await assertSwitchedBack(now);
  await endMaintenance(now);
}

function describeUnended({ server, error }: Unended, left: readonly string[]): string {
  const why = `what runs on ${server} for the task could not be ended: ${error.message}`;
  return left.length === 0 ? why : `${left.join(', ')}: ${why}`;
}
