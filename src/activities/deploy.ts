import { dirname, join } from 'node:path';
import { isKedgeError } from '../contract/errors';
import { type SiteLocation, type SiteRoot, rootsOf } from '../contract/target';
import { removeEmptyFolder } from '../core/hosts/empty-folder';
import type { Host } from '../core/hosts/host';
import { findingsOf } from '../core/findings';
import { makeStagingFolder, stagingFolderFor } from '../core/hosts/staging';
import type { Operation } from '../core/operation';
import { filesChangedSince } from '../core/sites/late-files';
import type { SiteAtWork } from '../core/sites/site-at-work';
import { assertStillLinked } from '../core/sites/served-root';
import {
  type StagedFolder,
  previousBeside,
  discardedFolders,
  previousFolder,
  previousFolders,
  stagedFolder,
  stagingFolders,
  switchFolders,
} from '../core/sites/switch-folders';
import type { Journal } from '../core/tasks/journal';
import { refreshCode, refreshObjectCache } from '../core/sites/refresh-caches';
import { assertFinishing, refused } from '../core/tasks/authority';
import { assertSwitchedBack, putVhostBack, switchBack } from '../core/recovery/give-back';
import { keptFolders, nameKept } from '../core/kept/kept-originals';
import type { VhostChange } from '../core/web/web-server';
import { pushFolder } from '../core/sync/push-folder';
import { makeAttemptFolders, spoolOf, spoolPlace, spooling } from './attempt-folder';
import type { ActivityDependencies } from './dependencies';
import { createdDatabase, isShutElsewhere, isSwitched, sourceOf, stagedOf } from './journal-parts';
import { type TaskRef, finishingStep, forwardStep, undoStep } from './step';

/** Nothing that may be the only copy of a site's folder is removed. @throws KedgeError StepRefused */
async function assertSiteLives(host: Host, journal: Journal): Promise<void> {
  for (const folder of journal.staged) {
    if ((await host.status(folder.live)) !== undefined) continue;
    const copies = `${stagedFolder(folder)} or ${previousFolder(folder)}`;
    throw refused(journal, `the folder ${folder.live} of the site does not exist, ${copies} may be its only copy`);
  }
}

/** Folders above one that are missing, the uppermost first. */
async function missingAbove(host: Host, path: string): Promise<string[]> {
  const above = dirname(path);
  if (above === path || (await host.status(above)) !== undefined) return [];
  return [...(await missingAbove(host, above)), above];
}

/** A vhost that was gone or broken before the restore holds nothing up: what is in its way still is a warning. */
async function unlessBroken(
  site: SiteLocation,
  written: Promise<VhostChange>,
  operation: Operation,
): Promise<Pick<VhostChange, 'changed'>> {
  try {
    return await written;
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error) || (error.code !== 'VhostUnfit' && error.code !== 'VhostTestFailed')) throw error;
    operation.log.warn(`${site.uri} is restored, and is not served as it should be: ${error.message}. ${error.hint}`);
    return { changed: false };
  }
}

/** Activities that bring a backup's files beside the live ones, and put them in their place. */
export function createDeployActivities(deps: ActivityDependencies) {
  /** The fence stops what writes to the database. What writes to files alone is not held, so it is told. */
  const tellLateFiles = async (
    journal: Journal,
    { location, host }: SiteAtWork,
    operation: Operation,
  ): Promise<void> => {
    const { backup, staged } = journal;
    if (!backup) return;
    const kept = keptFolders(journal);
    // The times of files are told by the clock of their host.
    const since = new Date(new Date(backup.created).getTime() + (await host.now()) - Date.now());
    const late: string[] = [];
    // Where the folder itself is kept, nothing of it is lost.
    for (const folder of staged.filter((each) => !kept.includes(each))) {
      const previous = { name: folder.name, live: folder.live, path: previousFolder(folder) };
      if ((await host.status(previous.path)) === undefined) continue;
      late.push(
        ...(await filesChangedSince(host, previous, location.exclude, since, operation).catch((error: unknown) => {
          operation.signal.throwIfAborted();
          operation.log.info(`files that were written too late cannot be looked for: ${String(error)}`);
          return [];
        })),
      );
    }
    const warning = findingsOf(
      operation.log,
      `files of ${location.uri} that were written while the restore ran, too late to be surely in the safety backup ${backup.id}`,
      late,
    );
    if (warning !== null) operation.log.warn(warning);
  };

  return {
    /** Brings the files beside the live folders, out of the owner's reach, and the dump into the spool. */
    async deploy(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { journal, site, operation, attempt, record, whileMine } = step;
        const { location, host } = site;
        const source = sourceOf(journal);
        const roots = rootsOf(location);
        for (const { path } of roots) {
          // The folders above belong to nobody that is known: the worker keeps them, and its owner enters.
          for (const above of await missingAbove(host, path)) {
            await record(({ madeFolders }) => ({ madeFolders: [...new Set([...madeFolders, above])] }));
            await whileMine(() => host.makeFolder(above, { mode: 0o755 }));
          }
          if ((await host.status(path)) !== undefined) continue;
          const { uid, gid } = location.owner;
          await record(({ madeFolders }) => ({ madeFolders: [...new Set([...madeFolders, path])] }));
          await whileMine(() => host.makeFolder(path, { mode: 0o755, uid, gid }));
        }
        const staged: StagedFolder[] = [];
        for (const { name, path } of roots) {
          const staging = await stagingFolderFor(host, path, journal.token);
          staged.push({ name, live: path, staging, attempt, previous: previousBeside(staging) });
        }
        await record((before) => ({ staged, ...spooling('deploy', step)(before) }));
        const folders = staged.map((folder) => ({ name: folder.name, path: stagedFolder(folder) }));
        const places = [
          spoolPlace(deps, 'deploy', step),
          ...stagingFolders(staged).map((folder) => ({ host, folder })),
        ];
        // What is made once the task is undone would be there for good. What fills them needs them.
        const [spool = ''] = await makeAttemptFolders(step, places, async (make) => {
          for (const made of [...discardedFolders(staged), ...previousFolders(staged)])
            await makeStagingFolder(host, made);
          await make();
          for (const { path } of folders) await host.makeFolder(path, { mode: 0o700 });
        });
        const from = journal.type === 'deploy' ? 'foreign' : 'catalogue';
        const unpack = (on: Host, into: readonly SiteRoot[]): Promise<{ bytes: number }> =>
          deps.archives.extract(
            {
              path: source.path,
              origin: { from, owner: location.owner },
              judged: source,
              host: on,
              folders: into,
              dump: join(spool, 'restore.sql'),
            },
            operation,
          );
        if (site.onMaster) return unpack(host, folders);
        const files = join(spool, 'files');
        const unpacked = folders.map(({ name }) => ({ name, path: join(files, name) }));
        await whileMine(async () => {
          for (const { path } of unpacked) await deps.master.makeFolder(path, { mode: 0o700 });
        });
        const done = await unpack(deps.master, unpacked);
        for (const folder of staged) {
          const live = (await host.status(folder.live))?.type === 'folder' ? folder.live : null;
          const [from, to] = [join(files, folder.name), stagedFolder(folder)];
          await pushFolder(deps.master, { from, host, to, live }, operation);
        }
        await deps.master.removeTree(files, operation);
        return done;
      });
    },

    /** Undo of deploy. */
    async discardStaged(ref: TaskRef) {
      const hasFolders = ({ staged, madeFolders }: Journal): boolean => staged.length + madeFolders.length > 0;
      return undoStep(deps, ref, hasFolders, async (step) => {
        const { journal, site, operation } = step;
        const { host } = site;
        await step.underLock(assertSwitchedBack);
        for (const folder of discardedFolders(journal.staged)) await host.removeTree(folder, operation);
        await deps.master.removeTree(spoolOf(site.target, journal), operation);
        for (const path of [...previousFolders(journal.staged), ...journal.madeFolders.toReversed()]) {
          if (await removeEmptyFolder(host, path, operation)) continue;
          operation.log.warn(`${path} was made for ${journal.site} and is kept: something is in it by now`);
        }
      });
    },

    /** Two renames a folder: live → previous, staged → live. Then the events of the new database run, under the site's account. */
    async switchSite(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const staged = stagedOf(journal);
        await assertStillLinked(site.host, site.location);
        await record({ switched: true });
        await whileMine(async ({ signal, name }) => {
          // What visitors would see from here on is not whole.
          if (isShutElsewhere(journal, site)) await site.webServer.keepMaintenance(site.uri, { ...operation, signal });
          await switchFolders(site.host, staged);
          const { created } = journal;
          if (!created || created.enabledEvents.length === 0) return;
          const server = await site.databaseServer(signal, name);
          await server.enableEvents(createdDatabase(created), created.enabledEvents, created.account);
        });
        for (const { live } of staged) operation.log.info(`the restored folder is in its place, ${live}`);
        return null;
      });
    },

    /** Undo of switchSite: the previous folders are live again, wherever the renames stopped. */
    async switchBack(ref: TaskRef) {
      return undoStep(deps, ref, isSwitched, (step) => switchBack(deps, step));
    },

    /** After the commit point: the folders the site was in before. */
    async discardPrevious(ref: TaskRef) {
      const behindCommit = { assert: assertFinishing, closed: null };
      return finishingStep(deps, ref, behindCommit, async ({ journal, site, operation, underLock }) => {
        const { host } = site;
        await tellLateFiles(journal, site, operation);
        await underLock(() => assertSiteLives(host, journal));
        const kept = keptFolders(journal);
        const folders = kept.map((folder) => ({ name: folder.name, path: previousFolder(folder) }));
        // Named first: what nobody knows of, nobody can let go of.
        if (kept.length > 0) await underLock(() => nameKept(deps, journal, { folders }));
        for (const { name, path } of folders)
          operation.log.warn(`${journal.notSaved.folders[name]?.join('; ')}; the folder of before is kept as ${path}`);
        for (const folder of discardedFolders(journal.staged)) await host.removeTree(folder, operation);
        for (const folder of journal.staged)
          if (!kept.includes(folder)) await host.removeTree(previousFolder(folder), operation);
        for (const folder of previousFolders(journal.staged))
          if (!kept.some(({ previous }) => previous === folder)) await host.removeTree(folder, operation);
        return null;
      });
    },

    /**
     * Vhost written, tested, reloaded; PHP sees the code and settings that are on disk now, and after a switch the object
     * cache forgets the database before.
     */
    async reloadWebServer(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const { location, webServer } = site;
        const vhostBefore = journal.vhostBefore ?? (await webServer.lookBeforeWriting(location, operation));
        await record({ vhostBefore });
        const written = whileMine(() => webServer.writeVhost(location, operation));
        const { changed } = await (location.unproven === undefined
          ? written
          : unlessBroken(location, written, operation));
        operation.log.info(changed ? 'vhost written, tested and loaded' : 'vhost unchanged');
        await refreshCode(site, operation);
        if (journal.switched) await refreshObjectCache(site, operation);
        return null;
      });
    },

    /** Undo of reloadWebServer. */
    async putVhostBack(ref: TaskRef) {
      const isWritten = ({ vhostBefore }: Journal): boolean => vhostBefore !== null;
      return undoStep(deps, ref, isWritten, (step) => step.underLock(putVhostBack));
    },
  };
}
