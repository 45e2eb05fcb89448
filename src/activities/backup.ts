import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { z } from 'zod';
import { type BackupRecord, isSafetyBackup, isUnproven } from '../contract/backup-record';
import { KedgeError } from '../contract/errors';
import { DEFAULT_DESCRIPTION, SAFETY_DESCRIPTION, SAFETY_TRIGGER } from '../contract/names';
import { type BackupSummary, compressionSchema } from '../contract/tasks';
import { SITE_FOLDER, rootsOf } from '../contract/target';
import { checkRoots, differencesFromRecord } from '../core/archive/restorable';
import type { Catalog } from '../core/catalog/catalog';
import { nextPublication } from '../core/catalog/publication';
import { UNFINISHED, unfinishedPath } from '../core/catalog/unfinished';
import type { DatabaseServer, DumpResult } from '../core/databases/database-server';
import { dumpNothing, dumpWhatCanBeRead } from '../core/databases/partial-dump';
import { describeUnreadable } from '../core/databases/unreadable-tables';
import { findingsOf } from '../core/findings';
import type { Host } from '../core/hosts/host';
import type { OpenFile } from '../core/hosts/master-host';
import { type Operation, listeningTo } from '../core/operation';
import { sideBySide } from '../core/side-by-side';
import { bringFolder } from '../core/sync/bring-folder';
import type { Mirror } from '../core/sync/mirrors';
import { assertFinishingTask } from '../core/tasks/authority';
import { forgetScratch, proveSpooledDump } from '../core/proofs/prove-site';
import { describeDump, summaryOf } from '../core/proofs/spooled-dump';
import { describeMissingDatabase } from '../core/preflight/live-site';
import type { Journal } from '../core/tasks/journal';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { makeAttemptFolders, spoolOf, spoolPlace, spooledBy, spooling } from './attempt-folder';
import { isShutElsewhere } from './journal-parts';
import { excludedOf, foldersToPack, isSafety, joined, packedRoots, readNotBrought } from './packed-folders';
import { type Step, type TaskRef, type UndoStep, finishingStep, forwardStep, undoStep } from './step';

const tarballOptionsSchema = z.strictObject({
  description: z.string(),
  /** `request`, or `restore` for a safety backup. */
  trigger: z.enum(['request', SAFETY_TRIGGER]),
  compression: compressionSchema,
});
export type TarballOptions = z.infer<typeof tarballOptionsSchema>;

/** A dump program waits whenever the file is behind; what Node sets aside by itself is a few rows. */
const WRITE_BUFFER_BYTES = 1024 * 1024;

/** Activities that make a backup, be it asked for or the safety backup of a restore. */
export function createBackupActivities(deps: ActivityDependencies) {
  const clear = async ({ journal, site, operation }: UndoStep): Promise<void> => {
    if (journal.scratch) await forgetScratch(site, journal.scratch, operation);
    if (journal.backup) await deps.master.removeTree(unfinishedPath(journal.backup), operation);
    await deps.master.removeTree(spoolOf(site.target, journal), operation);
  };

  /** What the server would not take back of the dump in the spool; null where it is not to be asked. */
  const prove = async (step: Step, spool: string): Promise<string | null> => {
    const { before } = step.journal;
    const proofs = await deps.proofs();
    return proofs && before ? proveSpooledDump(deps, proofs, step, before, spool) : null;
  };

  return {
    /** Dumps the database into the spool, with a summary beside it. */
    async dumpDatabase(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { journal, site, record } = step;
        const { operation, warned } = listeningTo(step.operation);
        await record(spooling('dumpDatabase', step));
        const [spool = ''] = await makeAttemptFolders(step, [spoolPlace(deps, 'dumpDatabase', step)]);
        const path = join(spool, 'database.sql');
        const server = await site.databaseServer(operation.signal);
        const dumpedBefore = async (): Promise<ReadonlySet<string>> => {
          const { backups } = await deps.catalogOf(site.target).list(journal.site);
          return new Set(backups[0]?.database.tables.map(({ name }) => name));
        };
        const places: { output: Writable; file: OpenFile }[] = [];
        const open = async (): Promise<Writable> => {
          const file = await deps.master.openForWriting(path);
          const output = file.createWriteStream({ flush: true, highWaterMark: WRITE_BUFFER_BYTES });
          places.push({ output, file });
          return output;
        };
        try {
          const dump = isSafety(journal)
            ? await dumpWhatThereIs(server, journal, open, { operation, record }, dumpedBefore)
            : await server.dump(databaseOf(journal), await open(), operation, { dumpedBefore });
          await describeDump(deps.master, spool, dump);
          // The record says all of it, also what nobody is to be told every night.
          const redacted = [...deps.redact([...warned, ...dump.repeated], journal.site)];
          await record((before) => ({ warned: { ...before.warned, dumpDatabase: redacted } }));
          return { bytes: dump.bytes };
        } finally {
          for (const { output, file } of places) {
            // A dump that fails before it begins leaves the stream as it is, and the file open.
            output.destroy();
            await file.close();
          }
        }
      });
    },

    /** Brings the site's files to the master. */
    async syncRemote(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { journal, site, record } = step;
        if (site.onMaster) {
          step.operation.log.info('web server and master are one: nothing to sync');
          return { bytes: 0 };
        }
        const { operation } = step;
        const { mirrors } = deps;
        const mirror = await mirrors.nextName(site.uri, `${journal.token}-${step.attempt}`);
        await record(({ spooled }) => ({ spooled: { ...spooled, syncRemote: mirror } }));
        const folders = (await foldersToPack(step)).filter(({ instead }) => instead === null);
        const names = folders.map(({ name }) => name);
        await step.whileMine(() => mirrors.make(site.uri, mirror, names));
        const earlier = await mirrors.besides(site.uri, mirror, operation);
        const warnings: string[] = [];
        const notSaved: Record<string, readonly string[]> = {};
        let bytes = 0;
        for (const folder of folders) {
          const before = bytes;
          const progress: Operation['progress'] = (told) => {
            bytes = before + (told.bytes ?? 0);
            operation.progress({ ...told, bytes });
          };
          const brought = await bringFolder(
            deps.master,
            {
              site: site.uri,
              host: site.host,
              folder,
              exclude: excludedOf(site),
              to: join(mirrors.pathOf(site.uri, mirror), folder.name),
              within: mirrors.folderOf(site.uri),
              bases: await basesIn(deps.master, earlier, folder.name),
              saveWhatCanBe: isSafety(journal),
            },
            { ...operation, progress },
          );
          warnings.push(...brought.warnings);
          if (brought.notSaved.length > 0) notSaved[folder.name] = brought.notSaved;
        }
        for (const warning of warnings) operation.log.warn(warning);
        await step.whileMine(() => mirrors.conclude(site.uri, mirror, JSON.stringify(notSaved)));
        await mirrors.removeOlder(site.uri, mirror, operation);
        const redacted = [...deps.redact(warnings, journal.site)];
        await record((before) => ({ warned: { ...before.warned, syncRemote: redacted } }));
        return { bytes };
      });
    },

    /** Packs the folders of the site and the dump into one archive, under a temporary name. */
    async tarball(ref: TaskRef, given: TarballOptions) {
      const asked = decodeInput(tarballOptionsSchema, given);
      return forwardStep(deps, ref, async (step) => {
        const { journal, operation, record } = step;
        const { target, location: site, folder: live, kind } = step.site;
        const options = tarballOptionsOf(journal) ?? asked;
        const catalog = deps.catalogOf(target);
        const folder = await catalog.folderOf(site.uri);
        const created = journal.backup?.created ?? new Date().toISOString();
        const id = journal.backup?.id ?? (await catalog.nextId(site.uri, new Date(created)));
        const dumped = spooledBy('dumpDatabase', target, journal);
        const dump = join(dumped, 'database.sql');
        const unfinished = { host: deps.master, folder: join(folder, `${UNFINISHED}${journal.token}`) };
        const backup = {
          id,
          created,
          archive: `${id}.tar.${options.compression === 'gzip' ? 'gz' : 'zst'}`,
          temporaryArchive: join(unfinished.folder, step.attempt, 'archive'),
          packed: null,
          published: false,
        };
        // Before the folder is there: whoever takes the task back removes what its journal names.
        await record({ backup });
        const [scratch = ''] = await makeAttemptFolders(step, [spoolPlace(deps, 'tarball', step), unfinished]);
        const { empty, roots, replaced } = await packedRoots(deps, step, scratch);
        const codeVersion = empty.includes(SITE_FOLDER) ? null : await kind.codeVersion(live, operation);
        const packing = deps.archives.pack(
          {
            roots,
            saveWhatCanBe: isSafety(journal),
            exclude: excludedOf(step.site),
            dump,
            record: {
              schema: 1,
              id,
              site: site.uri,
              kind: site.kind,
              roots: rootsOf(site),
              description: options.description,
              trigger: options.trigger,
              who: journal.who,
              task: journal.task,
              created,
              dumpBytes: await bytesOf(deps.master, dump),
              database: await summaryOf(deps.master, dumped),
              codeVersion,
              contentMark: journal.contentMark,
            },
            scratch,
            destination: backup.temporaryArchive,
            compression: options.compression,
          },
          operation,
        );
        const [packed, unproven] = await sideBySide([packing, prove(step, dumped)]);
        // What preflight found is said already, in the same words.
        const known = new Set([...journal.notBackedUp, ...Object.values(journal.warned).flat()]);
        const found = packed.warnings.filter((warning) => !known.has(warning));
        for (const warning of found) operation.log.warn(warning);
        if (unproven !== null) operation.log.warn(unproven);
        const warnings = [...(unproven === null ? [] : [unproven]), ...known, ...found];
        const { bytes, notSaved: inFolders } = packed;
        const notBrought = await readNotBrought(deps, step);
        await record(({ notSaved }) => ({
          backup: { ...backup, packed: { bytes, warnings, codeVersion } },
          notSaved: {
            ...notSaved,
            folders: isSafety(journal) ? joined(notBrought, { ...inFolders, ...replaced }) : {},
          },
        }));
        return { bytes };
      });
    },

    /** Reads the archive back, holds it against what was packed, and publishes it, its record last. */
    async publishBackup(ref: TaskRef) {
      return forwardStep(deps, ref, async (step): Promise<BackupSummary> => {
        const { journal, site, record } = step;
        const { backup } = journal;
        const catalog = deps.catalogOf(site.target);
        if (!backup?.packed)
          throw new KedgeError('Internal', `${journal.task} has nothing to publish`, { site: journal.site });
        if (backup.published) return summaryOfRecord(catalog, await catalog.get(journal.site, backup.id));
        // Visitors may have written in the middle of it.
        if (isShutElsewhere(journal, site)) await site.webServer.assertStillShut(site.uri);
        const { backups } = await catalog.list(journal.site);
        const inTheCatalogue = backups.find((other) => other.id === backup.id);
        const published = inTheCatalogue ?? (await publish(deps, catalog, step, backups));
        await record({ backup: { ...backup, published: true } });
        return summaryOfRecord(catalog, published);
      });
    },

    /** Undo of the steps that make a backup. A published one stays. */
    async discardUnpublished(ref: TaskRef) {
      // What is made of a backup lies on the master.
      return undoStep(deps, ref, () => false, clear);
    },

    /** Clears what a finished task no longer needs. */
    async discardSpool(ref: TaskRef) {
      return finishingStep(deps, ref, { assert: assertFinishingTask, closed: null }, async (step) => {
        await clear(step);
        return null;
      });
    },
  };
}

/** A folder of the site in each mirror that has it. */
async function basesIn(master: Host, mirrors: readonly Mirror[], folder: string): Promise<string[]> {
  const paths = mirrors.map(({ path }) => join(path, folder));
  const found = await Promise.all(paths.map((path) => master.status(path)));
  return paths.filter((_, at) => found[at]?.type === 'folder');
}

async function bytesOf(master: Host, path: string): Promise<number> {
  const status = await master.status(path);
  if (status?.type === 'file') return status.bytes;
  throw new KedgeError('FileRefused', `${path} on ${master.name} is no file`, { server: master.name });
}

/**
 * Dumps what can be read of the database, and nothing where there is no room; says what is left out, and notes that the database
 * is to be kept for that.
 */
async function dumpWhatThereIs(
  server: DatabaseServer,
  journal: Journal,
  open: () => Promise<Writable>,
  { operation, record }: Pick<Step, 'operation' | 'record'>,
  dumpedBefore: () => Promise<ReadonlySet<string>>,
): Promise<DumpResult> {
  const database = databaseOf(journal);
  const aside = journal.setAside.database;
  if (aside !== null) {
    await record(({ notSaved }) => ({ notSaved: { ...notSaved, database: [aside] } }));
    return dumpNothing(server, `there was no room for ${database}`, await open());
  }
  const dump = await dumpWhatCanBeRead(server, database, open, operation, { dumpedBefore });
  if (!dump.exists) operation.log.warn(describeMissingDatabase(database));
  const what = `tables of ${database} that could not be read and are not in the safety backup`;
  const lost = findingsOf(operation.log, what, dump.unreadable.map(describeUnreadable));
  await record(({ notSaved }) => ({ notSaved: { ...notSaved, database: lost === null ? [] : [lost] } }));
  return dump;
}

async function publish(
  deps: ActivityDependencies,
  catalog: Catalog,
  { journal, operation, whileMine }: Step,
  others: readonly BackupRecord[],
): Promise<BackupRecord> {
  const { backup } = journal;
  if (!backup?.packed)
    throw new KedgeError('Internal', `${journal.task} has nothing to publish`, { site: journal.site });
  // An attempt that died between the two halves of publishing has given the archive its final name already.
  const renamed = join(await catalog.folderOf(journal.site), backup.archive);
  const path = (await deps.master.status(backup.temporaryArchive)) ? backup.temporaryArchive : renamed;
  const inspection = await deps.archives.inspect(path, { from: 'catalogue', owner: null }, operation);
  const context = { site: journal.site, state: 'the backup is not in the catalogue' };
  if (inspection.bytes !== backup.packed.bytes) {
    throw new KedgeError('BackupDamaged', `${path} does not read back as it was written`, context);
  }
  if (!inspection.record) throw new KedgeError('BackupDamaged', `${path} holds no record`, context);
  checkRoots(inspection.record, inspection);
  if (!inspection.dump?.complete) throw new KedgeError('DumpInvalid', `the dump in ${path} is incomplete`, context);
  const wrong = differencesFromRecord(inspection.record, inspection.dump);
  if (wrong.length > 0) throw new KedgeError('DumpInvalid', `the dump in ${path} ${wrong.join('; ')}`, context);
  for (const link of inspection.leavingLinks)
    operation.log.info(`a link leads out of the site folder and is kept as a link: ${link}`);
  // What was made while tar packed, past the look before it.
  for (const warning of inspection.leftOut) operation.log.warn(warning);
  const record: BackupRecord = {
    ...inspection.record,
    archive: backup.archive,
    bytes: inspection.bytes,
    sha256: inspection.sha256,
    members: inspection.members,
    published: nextPublication(others, new Date()),
    warnings: [...backup.packed.warnings, ...inspection.leftOut],
    ...incompleteOf(journal),
  };
  await whileMine(() => catalog.publish(record, backup.temporaryArchive));
  return record;
}

/** What the record of a safety backup says of what it does not hold. */
function incompleteOf({ notSaved }: Journal): Pick<BackupRecord, 'incomplete'> {
  const incomplete = [...notSaved.database, ...Object.values(notSaved.folders).flat()];
  return incomplete.length === 0 ? {} : { incomplete };
}

/** What the accepted request says; null for a task that a Kedge has begun which did not note it. */
function tarballOptionsOf({ type, accepted, description }: Journal): TarballOptions | null {
  if (!accepted) return null;
  if (type === 'restore') return { description: SAFETY_DESCRIPTION, trigger: SAFETY_TRIGGER, compression: 'zstd' };
  return { description: description ?? DEFAULT_DESCRIPTION, trigger: 'request', compression: accepted.compression };
}

function summaryOfRecord(catalog: Catalog, record: BackupRecord): BackupSummary {
  const { id, bytes, sha256, created, description } = record;
  const safety = isSafetyBackup(record);
  const unproven = isUnproven(record) ? { unproven: true } : {};
  return { id, path: catalog.pathOf(record), bytes, sha256, created, description, safety, ...unproven };
}

function databaseOf(journal: Journal): string {
  if (journal.before) return journal.before.database;
  throw new KedgeError('SiteNotAdopted', `the database of ${journal.site} is not known`, { site: journal.site });
}
