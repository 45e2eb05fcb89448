import { KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import type { SiteAtWork } from '../sites/site-at-work';
import { findPreviousFolder, switchFoldersBack } from '../sites/switch-folders';
import { refused } from '../tasks/authority';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import { refreshCode, refreshObjectCache } from '../sites/refresh-caches';
import type { SiteLocks, LockHold } from '../tasks/site-locks';

/** What says who may act for a site. */
export interface LockParts {
  readonly locks: SiteLocks;
  readonly journals: Journals;
}

/** A task by its journal, its site, and the work that is done for it. */
export interface TaskContext {
  readonly journal: Journal;
  readonly site: SiteAtWork;
  readonly operation: Operation;
}

/** The same, while the site's lock is held: the journal is as it is now, and stays so but for who holds the lock. */
export interface LockedTask extends TaskContext {
  readonly hold: LockHold;
}

/**
 * Does what visitors notice for a task that is open: under the lock of its site, by its journal as it is then. What another
 * process was about to do under the lock is done, or never will be. `work` must not ask for the lock again.
 * @throws KedgeError TaskSuperseded once the task is closed: its site is another's
 */
export async function underLock<T>(
  { locks, journals }: LockParts,
  { journal: { task }, site, operation }: TaskContext,
  work: (now: LockedTask) => Promise<T>,
): Promise<T> {
  return locks.hold(site.uri, operation, async (hold) => {
    operation.signal.throwIfAborted();
    const journal = await journals.get(task);
    if (journal.outcome !== null)
      throw new KedgeError('TaskSuperseded', `task ${task} is closed by now`, { site: site.uri });
    return work({ journal, site, operation, hold });
  });
}

/*
 * What takes back the steps of a task that visitors notice, from its journal. Each is idempotent and does nothing where
 * its step never ran. Undo runs them one by one, taking a site over by hand all at once.
 */

/** The folders the site was in before are live again, and PHP and the object cache know nothing else. */
export async function switchBack(parts: LockParts, task: TaskContext): Promise<void> {
  const isBack = await underLock(parts, task, async ({ journal: { switched, staged, committed }, site }) => {
    if (!switched || committed || staged.length === 0) return false;
    await switchFoldersBack(site.host, staged);
    return true;
  });
  if (!isBack) return;
  await refreshCode(task.site, task.operation);
  await refreshObjectCache(task.site, task.operation);
}

/**
 * Sees to it that the folders of before are live, before anything goes that the switched ones need. Under the lock no switch is
 * half done, and none begins any more: the task is being undone.
 * @throws KedgeError StepRefused
 */
export async function assertSwitchedBack({ journal, site }: LockedTask): Promise<void> {
  const { staged, switched } = journal;
  if (!switched) return;
  const waiting = await findPreviousFolder(site.host, staged);
  if (waiting !== undefined) throw refused(journal, `switchBack is not done: the site of before waits in ${waiting}`);
}

/** The vhost is the one that was found. */
export async function putVhostBack({ journal, site, operation }: LockedTask): Promise<void> {
  if (!journal.vhostBefore || journal.committed) return;
  await site.webServer.putVhostBack(site.location, journal.vhostBefore, operation);
}

/** The site's account can write again. */
async function liftFence({ journal, site, hold }: LockedTask): Promise<void> {
  if (!journal.fence || journal.fence.lowered || journal.committed) return;
  const server = await site.databaseServer(hold.signal, hold.name);
  await server.lowerFence(journal.fence);
}

/** The same, noted: whoever looks again finds that it was done, and an account that somebody locks meanwhile is his. */
export async function unlockForGood(journals: Journals, now: LockedTask): Promise<void> {
  const { task, committed } = now.journal;
  if (committed) return;
  await liftFence(now);
  await journals.recordUndo(task, ({ fence }) => ({ fence: fence && { ...fence, lowered: true } }));
}

/**
 * Whether the account is locked for the task, and may be unlocked before anything else is taken back: not while the folders of before
 * are to be switched back.
 */
export function mayBeUnlocked({ fence, committed, switched, undone }: Journal): boolean {
  if (fence === null || fence.lowered || committed) return false;
  return !switched || (undone?.includes('switchBack') ?? false);
}

/** The site is out of maintenance, unless it was found in it. */
export async function endMaintenance({ journal, site, operation }: LockedTask): Promise<void> {
  const { maintenance } = journal;
  if (!maintenance || maintenance.ended !== null) return;
  const file = site.kind.maintenanceFile;
  const { type } = (await site.host.status(site.location.root)) ?? {};
  // Where there is no folder, nothing was raised in it.
  if (file && type === 'folder') await lowerMaintenanceFile(site.folder, file, operation);
  if (maintenance.foundOn) operation.log.info('maintenance was on before: it stays on');
  else await site.webServer.lowerMaintenance(site.uri);
}
