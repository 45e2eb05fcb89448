import { join } from 'node:path';
import type { Target } from '../contract/target';
import { ensureStagingFolder } from '../core/hosts/staging';
import type { Operation } from '../core/operation';
import { filesChangedSince } from '../core/sites/late-files';
import { previousFolder, stagedFolder, switchFolders } from '../core/sites/switch-folders';
import type { Journal } from '../core/tasks/journal';
import { refreshCode, refreshObjectCache } from '../core/tasks/refresh-caches';
import { putVhostBack, switchBack } from '../core/tasks/give-back';
import type { ActivityDependencies } from './dependencies';
import { createdDatabase, sourceOf, stagingOf } from './journal-parts';
import { type TaskRef, finishingStep, forwardStep, undoStep } from './step';

/** How many files a warning names. */
const NAMED = 10;

/** Activities that bring a backup's files beside the live ones, and put them in their place. */
export function createDeployActivities(deps: ActivityDependencies) {
  /** The fence stops what writes to the database. What writes to files alone is not held, so it is told. */
  const tellLateFiles = async (
    { backup }: Journal,
    target: Target,
    staging: string,
    operation: Operation,
  ): Promise<void> => {
    const folder = { host: deps.webHost(target), path: previousFolder(staging), site: target.site };
    if (!backup || (await folder.host.status(folder.path)) === undefined) return;
    const late = await filesChangedSince(folder, new Date(backup.created), operation).catch((error: unknown) => {
      operation.signal.throwIfAborted();
      operation.log.info(`files that were written too late cannot be looked for: ${String(error)}`);
      return [];
    });
    if (late.length === 0) return;
    const more = late.length > NAMED ? ` and ${late.length - NAMED} more` : '';
    operation.log.warn(
      `files of ${target.site.uri} were written while the restore ran, too late to be surely in the safety backup ${backup.id}: ${late.slice(0, NAMED).join(', ')}${more}`,
    );
  };

  return {
    /** Unpacks the files beside the live folder, out of the owner's reach, and the dump into the spool. */
    async deploy(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, operation, record }) => {
        const source = sourceOf(journal);
        const host = deps.webHost(target);
        if ((await host.status(target.site.root)) === undefined) {
          const { uid, gid } = target.site.owner;
          await record({ madeFolder: true });
          await host.makeFolder(target.site.root, { mode: 0o755, uid, gid });
        }
        const staging = await ensureStagingFolder(host, target.site.root, journal.token);
        await record({ staging });
        const folder = stagedFolder(staging);
        // An earlier attempt may have left a part.
        await host.removeTree(folder, operation);
        await host.makeFolder(folder, { mode: 0o700 });
        const { bytes } = await deps.archives.extract(source.path, source.sha256, host, folder, operation);
        const spool = join(target.spool, journal.token);
        await deps.master.makeFolder(spool, { mode: 0o700 });
        // Read from the same archive: counted once.
        const uncounted = { ...operation, progress: () => undefined };
        await deps.archives.extractDump(source.path, join(spool, 'restore.sql'), uncounted);
        return { bytes };
      });
    },

    /** Undo of deploy. */
    async discardStaged(ref: TaskRef) {
      return undoStep(deps, ref, async ({ journal, target, operation }) => {
        const host = deps.webHost(target);
        if (journal.staging !== null) await host.removeTree(journal.staging, operation);
        await deps.master.removeTree(join(target.spool, journal.token), operation);
        // Nothing was in it, and nobody else was told of it.
        if (journal.madeFolder) await host.removeTree(target.site.root, operation);
      });
    },

    /** Two renames: live → previous, staged → live. Then the events of the new database run, under the site's account. */
    async switchSite(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, operation, record, whileMine }) => {
        const staging = stagingOf(journal);
        await record({ switched: true });
        await whileMine(() => switchFolders(deps.webHost(target), target.site.root, staging));
        const { created } = journal;
        if (created && created.enabledEvents.length > 0) {
          const server = await deps.databaseServer(target.database);
          await server.enableEvents(createdDatabase(created), created.enabledEvents, created.account);
        }
        operation.log.info('the restored folder is in its place');
        return null;
      });
    },

    /** Undo of switchSite: the previous folder is live again, wherever the renames stopped. */
    async switchBack(ref: TaskRef) {
      return undoStep(deps, ref, (step) => switchBack(deps, step));
    },

    /** After the commit point: the folder the site was in before. */
    async discardPrevious(ref: TaskRef) {
      return finishingStep(deps, ref, async ({ journal, target, operation }) => {
        if (journal.staging === null) return null;
        await tellLateFiles(journal, target, journal.staging, operation);
        await deps.webHost(target).removeTree(journal.staging, operation);
        return null;
      });
    },

    /**
     * Vhost written, tested, reloaded; PHP sees the code and settings that are on disk now, and after a switch the object
     * cache forgets the database before.
     */
    async reloadWebServer(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, operation, record, whileMine }) => {
        const web = deps.webServer(target.web);
        const vhostBefore = journal.vhostBefore ?? (await web.readVhost(target.site));
        await record({ vhostBefore });
        const { changed } = await whileMine(() => web.writeVhost(target.site, operation));
        operation.log.info(changed ? 'vhost written, tested and loaded' : 'vhost unchanged');
        await refreshCode(deps, target, operation);
        if (journal.switched) await refreshObjectCache(deps, target, operation);
        return null;
      });
    },

    /** Undo of reloadWebServer. */
    async putVhostBack(ref: TaskRef) {
      return undoStep(deps, ref, (step) => putVhostBack(deps, step));
    },
  };
}
