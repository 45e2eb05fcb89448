import { dirname } from 'node:path';
import type { ContentMark, PackedRecord } from '../../contract/backup-record';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { type DatabaseServerAddress, type Target, type WebServerAddress, rootsOf } from '../../contract/target';
import type { Archives, DumpInspection, Inspection } from '../archive/archive';
import { checkImportable, checkRestorable, checkText, movedPaths } from '../archive/restorable';
import type { Catalog } from '../catalog/catalog';
import type { DatabaseServer, ServerFacts } from '../databases/database-server';
import { describeUnreadable, tablesUnreadable } from '../databases/unreadable-tables';
import { firstOf } from '../findings';
import type { Host } from '../hosts/host';
import { assertTrustedFile } from '../hosts/trusted-path';
import type { Operation } from '../operation';
import { sideBySide } from '../side-by-side';
import { checkSiteFolder } from '../sites/folder-check';
import { describeLoginElsewhere, loginElsewhere, refuseLoginElsewhere } from '../sites/login-elsewhere';
import { liveFolder } from '../sites/site-folder';
import { assertServed } from '../sites/served-root';
import { describeOtherDatabases, findOtherDatabases } from '../sites/other-databases';
import type { SiteKind } from '../sites/site-kind';
import { environmentOfSite } from '../php/environment-of-site';
import { proofOf } from '../web/proof';
import type { WebServer } from '../web/web-server';
import type { Journal } from '../tasks/journal';
import { examineReach } from './examine-accounts';
import type { SiteDatabase, SiteStates } from '../tasks/site-state';
import type { SiteBytes } from './safety-room';
import { type SpaceNeed, roomAt } from './space';

/** What a task looks at, before it does anything, acts through. */
export interface ExaminationParts {
  readonly master: Host;
  readonly states: SiteStates;
  readonly archives: Archives;
  /** Where the target has its backups. */
  catalogOf(target: Target): Catalog;
  kindOf(target: Target): SiteKind;
  webHost(target: Target): Host;
  webServer(address: WebServerAddress): WebServer;
  databaseServer(address: DatabaseServerAddress, signal: AbortSignal): Promise<DatabaseServer>;
}

/** The target of a site that somebody else's vhost serves, with its addresses: nobody reads that vhost again in mid-task. */
export async function withAddresses(
  parts: Pick<ExaminationParts, 'webServer'>,
  target: Target,
  operation: Operation,
): Promise<Target> {
  if (target.site.vhost !== 'include' || target.site.unproven !== undefined) return target;
  const servedOn = await parts.webServer(target.web).addressesOf(target.site, operation);
  return { ...target, site: { ...target.site, servedOn: [...servedOn] } };
}

/** Whether visitors will see the maintenance page where the vhost is somebody else's. @throws KedgeError VhostUnfit */
export async function examineMaintenance(
  parts: Pick<ExaminationParts, 'webServer'>,
  target: Target,
  operation: Operation,
): Promise<void> {
  const { vhost, unproven } = target.site;
  if (vhost === 'include' && unproven === undefined)
    await parts.webServer(target.web).proveMaintenance(target.site, operation);
}

/**
 * Looks at the live site, whose database is known to be `current`, and says how large it is, and what a backup of it
 * will not hold: a sentence each. A safety backup saves what can be saved: what is missing or broken, a restore makes anew.
 * @throws KedgeError for whatever would stop a task; the site is unchanged
 */
export async function examineSite(
  parts: ExaminationParts,
  target: Target,
  current: SiteDatabase,
  { isSafety }: { readonly isSafety: boolean },
  operation: Operation,
): Promise<{ bytes: SiteBytes; notHeld: string[]; linkedTo: readonly string[] }> {
  const { site } = target;
  const folder = liveFolder(parts.webHost(target), site);
  const database = await parts.databaseServer(target.database, operation.signal);
  if (site.vhost === 'include' && site.unproven === undefined)
    await assertServed(parts.webHost(target), parts.webServer(target.web), site, operation);
  const [content, facts, , told, others, reach] = await sideBySide([
    checkSiteFolder(folder, operation, { mayLack: isSafety }),
    examineDatabase(database, current.database, isSafety),
    // For a restore the web server was asked already, see `withUnproven`.
    site.vhost === 'none' || isSafety ? null : parts.webServer(target.web).test(operation),
    tellSettings(parts, target, current.database, operation),
    findOtherDatabases({ folder, kind: parts.kindOf(target), server: database, current }, operation),
    examineReach(database, current),
  ]);
  const several = describeOtherDatabases(site.uri, current.database, database.name, others);
  const databases = [...told, ...(several === null ? [] : [several])];
  for (const warning of [...content.warnings, ...facts.notHeld, ...databases, ...(reach === null ? [] : [reach])])
    operation.log.warn(warning);
  const notHeld = [...content.notHeld, ...facts.notHeld, ...databases];
  return { bytes: { files: content.bytes, database: facts.bytes }, notHeld, linkedTo: content.linkedTo };
}

/**
 * Bytes of a database, and what of it no backup will hold, as far as that is known before its rows are read.
 * @throws KedgeError DatabaseUnknown, TableUnreadable for a backup that was asked for
 */
async function examineDatabase(
  server: DatabaseServer,
  database: string,
  isSafety: boolean,
): Promise<{ bytes: number; notHeld: string[] }> {
  if (isSafety && !(await server.databaseExists(database)))
    return { bytes: 0, notHeld: [describeMissingDatabase(database)] };
  const { bytes, unreadableTables } = await server.describe(database);
  if (unreadableTables.length === 0) return { bytes, notHeld: [] };
  if (!isSafety) throw tablesUnreadable(database, server.name, unreadableTables);
  return {
    bytes,
    notHeld: [
      `tables of ${database} cannot be read and will not be in the safety backup, so that the database will be kept: ${firstOf(unreadableTables.map(describeUnreadable))}`,
    ],
  };
}

/** What is said of a site whose database is gone. */
export function describeMissingDatabase(database: string): string {
  return `the database ${database} does not exist: the safety backup holds an empty one`;
}

/**
 * The target of a restore of a site that nobody serves, or whose web server cannot be asked: its vhost is gone, or the
 * configuration of the server is broken, by the site's own doing as well. The restore does without what has to be seen by a
 * request; the fence holds its writes all the same.
 */
export async function withUnproven(
  parts: Pick<ExaminationParts, 'webServer'>,
  target: Target,
  operation: Operation,
): Promise<Target> {
  const { site } = target;
  if (site.vhost === 'none') return target;
  const web = parts.webServer(target.web);
  let why: string | null = null;
  try {
    await web.test(operation);
    if (site.vhost === 'include' && (await web.addressesOf(site, operation)).length === 0)
      why = `no server block of ${target.web.name} serves ${site.uri}`;
    const { vhost, snippet } = await web.readVhost(site);
    if ((site.vhost === 'managed' ? vhost : snippet) === null)
      why ??= `what Kedge writes for ${site.uri} is gone from ${target.web.vhosts}`;
  } catch (error) {
    if (!isKedgeError(error) || error.code !== 'VhostTestFailed') throw error;
    why = error.message;
  }
  if (why === null) return target;
  operation.log.warn(`${why}: the restore goes on, and nobody can see that the maintenance page shows`);
  return { ...target, site: { ...site, unproven: why } };
}

/**
 * Whether files of the site besides its settings hold its login, which a restore changes: a warning where that is to be left
 * so. A site whose files cannot be looked through is told so, and not kept from its restore.
 * @throws KedgeError LoginElsewhere
 */
export async function examineLogins(
  parts: ExaminationParts,
  target: Target,
  { database, account: { user }, password }: SiteDatabase,
  { leave }: { leave: boolean },
  operation: Operation,
): Promise<void> {
  const { site } = target;
  const folder = liveFolder(parts.webHost(target), site);
  const found = await loginElsewhere(folder, parts.kindOf(target), { database, user, password }, operation).catch(
    (error: unknown) => {
      operation.signal.throwIfAborted();
      operation.log.warn(
        `the login of ${site.uri} cannot be looked for in its other files: ${error instanceof Error ? error.message : String(error)}`,
      );
      return [];
    },
  );
  if (!leave) refuseLoginElsewhere(folder, found);
  if (found.length > 0) operation.log.warn(describeLoginElsewhere(site.uri, found));
}

/** What a site is answered as. */
export interface SeenSite {
  /** What tells it from others; null when it is broken or behind its maintenance page. */
  readonly contentMark: ContentMark | null;
  /** Status that visitors are answered; null where nobody answers. */
  readonly answered: number | null;
}

/** What visitors see now, or the application behind a refusal. */
export async function seenSite(parts: ExaminationParts, target: Target, operation: Operation): Promise<SeenSite> {
  const unseen = { contentMark: null, answered: null };
  if (target.site.vhost === 'none' || target.site.unproven !== undefined) return unseen;
  try {
    const web = parts.webServer(target.web);
    const answer = await web.request(target.site, target.site.healthPath, operation);
    const { mark } = await proofOf(web, target.site, answer, operation);
    return { contentMark: mark.status < 400 ? mark : null, answered: answer.status };
  } catch (error) {
    operation.signal.throwIfAborted();
    operation.log.warn(`${target.site.uri} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return unseen;
  }
}

/**
 * Says so where the settings of a site name another database than Kedge knows, which is the one that is backed up, or could
 * not be given another login. Their owner writes them: what they say stops nobody from going back to a backup.
 */
async function tellSettings(
  parts: ExaminationParts,
  target: Target,
  known: string,
  operation: Operation,
): Promise<string[]> {
  const { site } = target;
  const kind = parts.kindOf(target);
  const folder = liveFolder(parts.webHost(target), site);
  const settings = await kind.readSettings(folder, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    operation.log.warn(
      `the settings of ${site.uri} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  });
  if (settings === null) return [];
  const ofOthers = (): Promise<readonly string[]> => environmentOfSite(parts.webServer(target.web), site, operation);
  const replaceable = kind
    .assertRewritable(folder, operation)
    .then(() => kind.assertOwnLogin(folder, ofOthers, operation));
  const fixed = await replaceable.then(
    () => [],
    (error: unknown) => {
      if (!isKedgeError(error) || error.code !== 'SettingsInvalid') throw error;
      return [`no restore of what is saved now could give ${site.uri} its new login: ${error.message}. ${error.hint}`];
    },
  );
  if (settings.database === known) return fixed;
  return [
    ...fixed,
    `the settings of ${site.uri} name the database ${settings.database}, which no backup holds: Kedge knows ${known}. Run \`kedge sites adopt ${site.uri}\` when the settings are right`,
  ];
}

/** A backup as it was examined, and the room it needs. */
export interface ExaminedSource {
  source: NonNullable<Journal['source']>;
  needs: SpaceNeed[];
  /** Bytes of the dump. */
  dumpBytes: number;
  elsewhere: DumpInspection['elsewhere'];
  /** Digest of what the dump defines. */
  definitions: string;
}

/** Bytes there are for what an archive holds, wherever that goes. */
function room(parts: ExaminationParts, target: Target): Promise<number> {
  const host = parts.webHost(target);
  return roomAt([
    ...rootsOf(target.site).map(({ path }) => ({ host, path })),
    { host: parts.master, path: target.spool },
  ]);
}

/** Whether question marks may take the place of bytes that are no letters. */
interface AskedOfText {
  readonly mayBeReplaced: boolean;
}

function tellText(sentence: string | null, operation: Operation): void {
  if (sentence !== null) operation.log.warn(sentence);
}

/**
 * Checks the backup a restore goes back to: whole, what its record says, and something this server can import.
 * @throws KedgeError BackupUnknown, BackupDamaged, PathsDiffer, ArchiveInvalid, ArchiveRefused, DumpInvalid,
 *   DumpIncompatible
 */
export async function examineBackup(
  parts: ExaminationParts,
  target: Target,
  id: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<ExaminedSource> {
  const catalog = parts.catalogOf(target);
  const record = await catalog.get(target.site.uri, id);
  const path = catalog.pathOf(record);
  await assertTrustedFile(parts.master, path);
  const { owner } = target.site;
  const inspection = await parts.archives.inspect(
    path,
    { from: 'catalogue', owner },
    operation,
    await room(parts, target),
  );
  const database = await parts.databaseServer(target.database, operation.signal);
  const facts = await database.facts();
  checkRestorable(record, inspection, facts, target.site);
  tellText(checkText(record, inspection, asked), operation);
  for (const lost of record.incomplete ?? []) operation.log.warn(`the backup ${id} is incomplete: ${lost}`);
  return examinedSource(parts, target, record, path, inspection, facts, operation);
}

/** Checks an archive that a site is deployed from: one that Kedge packed, of this site, and importable here. */
export async function examineArchive(
  parts: ExaminationParts,
  target: Target,
  path: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<ExaminedSource> {
  const context = { site: target.site.uri, state: 'nothing was changed' };
  await assertTrustedFile(parts.master, path);
  const inspection = await parts.archives.inspect(
    path,
    { from: 'foreign', owner: target.site.owner },
    operation,
    await room(parts, target),
  );
  const { record } = inspection;
  if (!record) throw new KedgeError('ArchiveInvalid', `${path} was not packed by Kedge: it holds no record`, context);
  if (record.site !== target.site.uri) {
    throw new KedgeError('ArchiveRefused', `${path} is a backup of ${record.site}, not of ${target.site.uri}`, {
      ...context,
      hint: 'Deploy it under the URI it was made of.',
    });
  }
  const facts = await (await parts.databaseServer(target.database, operation.signal)).facts();
  checkImportable(record, inspection, facts, target.site);
  tellText(checkText(record, inspection, asked), operation);
  return examinedSource(parts, target, record, path, inspection, facts, operation);
}

function examinedSource(
  parts: ExaminationParts,
  target: Target,
  record: PackedRecord,
  path: string,
  inspection: Inspection,
  facts: ServerFacts,
  operation: Operation,
): ExaminedSource {
  for (const warning of inspection.warnings) operation.log.warn(warning);
  for (const link of inspection.leavingLinks)
    operation.log.warn(`a link of the backup leads out of the site folder: ${link}`);
  for (const { name, from, to } of movedPaths(record, target.site))
    operation.log.warn(
      `${name} was at ${from} when the backup was made and is restored to ${to}: what in the site names the old path still does`,
    );
  const dumpBytes = inspection.dump?.bytes ?? 0;
  const { sha256, members, contentBytes } = inspection;
  const { charset, collation } = record.database;
  const elsewhere = inspection.dump?.elsewhere ?? [];
  return {
    source: {
      ...{ id: record.id, path, sha256, members, contentBytes, charset, collation, contentMark: record.contentMark },
      elsewhere: elsewhere.map(({ database, object, named }) => ({ database, object, named })),
    },
    dumpBytes,
    elsewhere,
    definitions: inspection.dump?.definitions ?? '',
    needs: [
      ...rootsOf(target.site).map(({ name, path }) => {
        const { bytes = 0, members = 0, owners = [] } = inspection.roots.find((root) => root.name === name) ?? {};
        return { place: 'web staging', host: parts.webHost(target), path, bytes, files: members, owners };
      }),
      { place: 'spool', host: parts.master, path: target.spool, bytes: dumpBytes },
      // A table is a file or two.
      {
        place: 'database server',
        host: parts.master,
        path: facts.dataFolder,
        bytes: dumpBytes,
        files: 2 * record.database.tables.length,
      },
      ...(facts.binaryLogFolder === null
        ? []
        : [{ place: 'binary log', host: parts.master, path: facts.binaryLogFolder, bytes: dumpBytes }]),
    ],
  };
}

/** A site is deployed where there is none: neither files nor a database that would be lost. */
export async function examineNewSite(parts: ExaminationParts, target: Target, operation: Operation): Promise<void> {
  const { uri, vhost } = target.site;
  const host = parts.webHost(target);
  const exists = (what: string): KedgeError =>
    new KedgeError('SiteFolderRefused', `${uri} exists already: ${what}`, {
      site: uri,
      state: 'the site is unchanged',
      hint: 'To go back to a backup use `kedge restore`; to deploy anew move folder and database of the site away first.',
    });
  for (const { path } of rootsOf(target.site)) {
    const status = await host.status(path);
    if (status && (status.type !== 'folder' || (await host.list(path)).length > 0)) throw exists(path);
    if ((await host.status(dirname(path)))?.type !== 'folder') {
      throw new KedgeError('SiteFolderRefused', `the folder above ${path} on ${host.name} does not exist`, {
        site: uri,
        server: host.name,
        state: 'nothing was changed',
        hint: `Make ${dirname(path)}, owned by root.`,
      });
    }
  }
  const state = await parts.states.find(uri);
  const server = await parts.databaseServer(target.database, operation.signal);
  if (state && (await server.databaseExists(state.current.database)))
    throw exists(`its database ${state.current.database}`);
  if (vhost !== 'none') await parts.webServer(target.web).test(operation);
}

/**
 * Whether the writes of a site can be fenced: false for a shared account that may go on unfenced.
 * @throws KedgeError AccountShared for one that may not
 */
export async function examineFence(
  server: DatabaseServer,
  target: Target,
  { account, database }: SiteDatabase,
  { allowShared }: { allowShared: boolean },
  operation: Operation,
): Promise<boolean> {
  if (!(await server.accountIsShared(account, database))) return true;
  if (!allowShared) {
    const others = (await server.databasesOf(account)).filter((name) => name !== database);
    throw new KedgeError(
      'AccountShared',
      `the account ${account.user} reaches more than the database ${database}${others.length === 0 ? '' : `: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''} too`}`,
      {
        site: target.site.uri,
        server: target.database.name,
      },
    );
  }
  operation.log.warn(`the account ${account.user} is shared: writes of the site are not fenced`);
  return false;
}
