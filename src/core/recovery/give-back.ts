import { KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress, Target, WebServerAddress } from '../../contract/target';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import { liveFolder } from '../sites/site-folder';
import type { SiteKind } from '../sites/site-kind';
import { findPreviousFolder, switchFoldersBack } from '../sites/switch-folders';
import type { WebServer } from '../web/web-server';
import { refused } from '../tasks/authority';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import { refreshCode, refreshObjectCache } from '../sites/refresh-caches';
import type { SiteLocks, SiteTurn } from '../tasks/site-locks';

/** What gives a site back to its visitors acts through. */
export interface SiteParts {
  readonly locks: SiteLocks;
  readonly journals: Journals;
  kindOf(target: Target): SiteKind;
  webHost(target: Target): Host;
  webServer(address: WebServerAddress): WebServer;
  /** With the name of a turn, its statements are the only ones of that name. */
  databaseServer(address: DatabaseServerAddress, signal: AbortSignal, turn?: string): Promise<DatabaseServer>;
}

/** A task by its journal, and the work that is done for it. */
export interface TaskAtHand {
  readonly journal: Journal;
  readonly target: Target;
  readonly operation: Operation;
}

/** The same, while the site's lock is held: the journal is as it is now, and stays so but for who holds the lock. */
export interface TaskInTurn extends TaskAtHand {
  readonly turn: SiteTurn;
}

/**
 * Does what visitors notice for a task that is open: under the lock of its site, by its journal as it is then. What another
 * process was about to do under the lock is done, or never will be. `work` must not ask for the lock again.
 * @throws KedgeError TaskSuperseded once the task is closed: its site is another's
 */
export async function inTurn<T>(
  { locks, journals }: Pick<SiteParts, 'locks' | 'journals'>,
  { journal: { task, site }, target, operation }: TaskAtHand,
  work: (now: TaskInTurn) => Promise<T>,
): Promise<T> {
  return locks.hold(site, operation, async (turn) => {
    operation.signal.throwIfAborted();
    const journal = await journals.get(task);
    if (journal.outcome !== null) throw new KedgeError('TaskSuperseded', `task ${task} is closed by now`, { site });
    return work({ journal, target, operation, turn });
  });
}

/*
 * What takes back the steps of a task that visitors notice, from its journal. Each is idempotent and does nothing where
 * its step never ran. Undo runs them one by one, taking a site over by hand all at once.
 */

/** The folders the site was in before are live again, and PHP and the object cache know nothing else. */
export async function switchBack(parts: SiteParts, task: TaskAtHand): Promise<void> {
  const isBack = await inTurn(parts, task, async ({ journal: { switched, staged, committed }, target }) => {
    if (!switched || committed || staged.length === 0) return false;
    await switchFoldersBack(parts.webHost(target), staged);
    return true;
  });
  if (!isBack) return;
  await refreshCode(parts, task.target, task.operation);
  await refreshObjectCache(parts, task.target, task.operation);
}

/**
 * Sees to it that the folders of before are live, before anything goes that the switched ones need. Under the lock no switch is
 * half done, and none begins any more: the task is being undone.
 * @throws KedgeError StepRefused
 */
export async function assertSwitchedBack(parts: SiteParts, { journal, target }: TaskInTurn): Promise<void> {
  const { staged, switched } = journal;
  if (!switched) return;
  const waiting = await findPreviousFolder(parts.webHost(target), staged);
  if (waiting !== undefined) throw refused(journal, `switchBack is not done: the site of before waits in ${waiting}`);
}

/** The vhost is the one that was found. */
export async function putVhostBack(parts: SiteParts, { journal, target, operation }: TaskInTurn): Promise<void> {
  if (!journal.vhostBefore || journal.committed) return;
  await parts.webServer(target.web).putVhostBack(target.site, journal.vhostBefore, operation);
}

/** The site's account can write again. */
export async function liftFence(parts: SiteParts, { journal, target, turn }: TaskInTurn): Promise<void> {
  if (!journal.fence || journal.fence.lowered || journal.committed) return;
  const server = await parts.databaseServer(target.database, turn.signal, turn.name);
  await server.lowerFence(journal.fence);
}

/** The site is out of maintenance, unless it was found in it. */
export async function endMaintenance(parts: SiteParts, { journal, target, operation }: TaskInTurn): Promise<void> {
  const { maintenance } = journal;
  if (!maintenance || maintenance.ended !== null) return;
  const file = parts.kindOf(target).maintenanceFile;
  const { type } = (await parts.webHost(target).status(target.site.root)) ?? {};
  // Where there is no folder, nothing was raised in it.
  if (file && type === 'folder')
    await lowerMaintenanceFile(liveFolder(parts.webHost(target), target.site), file, operation);
  if (maintenance.foundOn) operation.log.info('maintenance was on before: it stays on');
  else await parts.webServer(target.web).lowerMaintenance(target.site.uri);
}
