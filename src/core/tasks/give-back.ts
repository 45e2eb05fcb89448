import type { DatabaseServerAddress, Target, WebServerAddress } from '../../contract/target';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import { liveFolder } from '../sites/site-folder';
import type { SiteKind } from '../sites/site-kind';
import { findPreviousFolder, switchFoldersBack } from '../sites/switch-folders';
import type { WebServer } from '../web/web-server';
import { refused } from './authority';
import type { Journal } from './journal';
import { refreshCode, refreshObjectCache } from './refresh-caches';
import type { SiteLocks } from './site-locks';

/** What gives a site back to its visitors acts through. */
export interface SiteParts {
  readonly locks: SiteLocks;
  kindOf(target: Target): SiteKind;
  webHost(target: Target): Host;
  webServer(address: WebServerAddress): WebServer;
  databaseServer(address: DatabaseServerAddress, signal: AbortSignal): Promise<DatabaseServer>;
}

/** A task by its journal, and the work that is done for it. */
export interface TaskAtHand {
  readonly journal: Journal;
  readonly target: Target;
  readonly operation: Operation;
}

/*
 * What takes back the steps of a task that visitors notice, from its journal. Each is idempotent and does nothing where
 * its step never ran. Undo runs them one by one, taking a site over by hand all at once.
 */

/** The folders the site was in before are live again, and PHP and the object cache know nothing else. */
export async function switchBack(parts: SiteParts, { journal, target, operation }: TaskAtHand): Promise<void> {
  const { staged, switched } = journal;
  if (!switched || staged.length === 0) return;
  await parts.locks.hold(journal.site, operation, () => switchFoldersBack(parts.webHost(target), staged));
  await refreshCode(parts, target, operation);
  await refreshObjectCache(parts, target, operation);
}

/**
 * Sees to it that the folders of before are live, before anything goes that the switched ones need: the staging folder may
 * hold the only copy of the site.
 * @throws KedgeError StepRefused
 */
export async function assertSwitchedBack(parts: SiteParts, { journal, target, operation }: TaskAtHand): Promise<void> {
  const { staged, switched } = journal;
  if (!switched) return;
  const host = parts.webHost(target);
  // Under the lock no switch is half done, and none begins any more: the task is being undone.
  const waiting = await parts.locks.hold(journal.site, operation, () => findPreviousFolder(host, staged));
  if (waiting !== undefined) throw refused(journal, `switchBack is not done: the site of before waits in ${waiting}`);
}

/** The vhost is the one that was found. */
export async function putVhostBack(parts: SiteParts, { journal, target, operation }: TaskAtHand): Promise<void> {
  if (!journal.vhostBefore) return;
  await parts.webServer(target.web).putVhostBack(target.site, journal.vhostBefore, operation);
}

/** The site's account can write again. */
export async function liftFence(parts: SiteParts, { journal, target, operation }: TaskAtHand): Promise<void> {
  if (!journal.fence || journal.fence.lowered) return;
  await (await parts.databaseServer(target.database, operation.signal)).lowerFence(journal.fence);
}

/** The site is out of maintenance, unless it was found in it. */
export async function endMaintenance(parts: SiteParts, { journal, target, operation }: TaskAtHand): Promise<void> {
  const { maintenance } = journal;
  if (!maintenance || maintenance.ended !== null) return;
  const file = parts.kindOf(target).maintenanceFile;
  if (file) await lowerMaintenanceFile(liveFolder(parts.webHost(target), target.site), file, operation);
  if (maintenance.foundOn) operation.log.info('maintenance was on before: it stays on');
  else await parts.webServer(target.web).lowerMaintenance(target.site.uri);
}
