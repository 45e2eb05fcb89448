import { dirname } from 'node:path';
import type { ContentMark, PackedRecord } from '../../contract/backup-record';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { type Target, rootsOf } from '../../contract/target';
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
import { assertServed } from '../sites/served-root';
import { describeOtherDatabases, findOtherDatabases } from '../sites/other-databases';
import type { SiteAtWork } from '../sites/site-at-work';
import { environmentOfSite } from '../php/environment-of-site';
import { proofOf } from '../web/proof';
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
  siteAtWork(target: Target): SiteAtWork;
}

/** The target of a site that somebody else's vhost serves, with its addresses: nobody reads that vhost again in mid-task. */
export async function withAddresses(
  { target, location, webServer }: SiteAtWork,
  operation: Operation,
): Promise<Target> {
  if (location.vhost !== 'include' || location.unproven !== undefined) return target;
  const servedOn = await webServer.addressesOf(location, operation);
  return { ...target, site: { ...location, servedOn: [...servedOn] } };
}

/** Whether visitors will see the maintenance page where the vhost is somebody else's. @throws KedgeError VhostUnfit */
export async function examineMaintenance({ location, webServer }: SiteAtWork, operation: Operation): Promise<void> {
  const { vhost, unproven } = location;
  if (vhost === 'include' && unproven === undefined) await webServer.proveMaintenance(location, operation);
}

/**
 * Looks at the live site, whose database is known to be `current`, and says how large it is, and what a backup of it
 * will not hold: a sentence each. A safety backup saves what can be saved: what is missing or broken, a restore makes anew.
 * @throws KedgeError for whatever would stop a task; the site is unchanged
 */
export async function examineSite(
  site: SiteAtWork,
  current: SiteDatabase,
  { isSafety }: { readonly isSafety: boolean },
  operation: Operation,
): Promise<{ bytes: SiteBytes; notHeld: string[]; linkedTo: readonly string[] }> {
  const { location, folder, host, kind, webServer } = site;
  const { uri, vhost, unproven } = location;
  const database = await site.databaseServer(operation.signal);
  if (vhost === 'include' && unproven === undefined) await assertServed(host, webServer, location, operation);
  const [content, facts, , told, others, reach] = await sideBySide([
    checkSiteFolder(folder, operation, { mayLack: isSafety }),
    examineDatabase(database, current.database, isSafety),
    // For a restore the web server was asked already, see `withUnproven`.
    vhost === 'none' || isSafety ? null : webServer.test(operation),
    tellSettings(site, current.database, operation),
    findOtherDatabases({ folder, kind, server: database, current }, operation),
    examineReach(database, current),
  ]);
  const several = describeOtherDatabases(uri, current.database, database.name, others);
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
  { target, location: site, webServer: web }: SiteAtWork,
  operation: Operation,
): Promise<Target> {
  if (site.vhost === 'none') return target;
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
  { uri, folder, kind }: SiteAtWork,
  { database, account: { user }, password }: SiteDatabase,
  { leave }: { leave: boolean },
  operation: Operation,
): Promise<void> {
  const found = await loginElsewhere(folder, kind, { database, user, password }, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    operation.log.warn(
      `the login of ${uri} cannot be looked for in its other files: ${error instanceof Error ? error.message : String(error)}`,
    );
    return [];
  });
  if (!leave) refuseLoginElsewhere(folder, found);
  if (found.length > 0) operation.log.warn(describeLoginElsewhere(uri, found));
}

/** What a site is answered as. */
export interface SeenSite {
  /** What tells it from others; null when it is broken or behind its maintenance page. */
  readonly contentMark: ContentMark | null;
  /** Status that visitors are answered; null where nobody answers. */
  readonly answered: number | null;
}

/** What visitors see now, or the application behind a refusal. */
export async function seenSite(
  { location, webServer }: Pick<SiteAtWork, 'location' | 'webServer'>,
  operation: Operation,
): Promise<SeenSite> {
  const unseen = { contentMark: null, answered: null };
  if (location.vhost === 'none' || location.unproven !== undefined) return unseen;
  try {
    const answer = await webServer.request(location, location.healthPath, operation);
    const { mark } = await proofOf(webServer, location, answer, operation);
    return { contentMark: mark.status < 400 ? mark : null, answered: answer.status };
  } catch (error) {
    operation.signal.throwIfAborted();
    operation.log.warn(`${location.uri} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return unseen;
  }
}

/**
 * Says so where the settings of a site name another database than Kedge knows, which is the one that is backed up, or could
 * not be given another login. Their owner writes them: what they say stops nobody from going back to a backup.
 */
async function tellSettings(
  { uri, location, folder, kind, webServer }: SiteAtWork,
  known: string,
  operation: Operation,
): Promise<string[]> {
  const settings = await kind.readSettings(folder, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    operation.log.warn(
      `the settings of ${uri} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  });
  if (settings === null) return [];
  const ofOthers = (): Promise<readonly string[]> => environmentOfSite(webServer, location, operation);
  const replaceable = kind
    .assertRewritable(folder, operation)
    .then(() => kind.assertOwnLogin(folder, ofOthers, operation));
  const fixed = await replaceable.then(
    () => [],
    (error: unknown) => {
      if (!isKedgeError(error) || error.code !== 'SettingsInvalid') throw error;
      return [`no restore of what is saved now could give ${uri} its new login: ${error.message}. ${error.hint}`];
    },
  );
  if (settings.database === known) return fixed;
  return [
    ...fixed,
    `the settings of ${uri} name the database ${settings.database}, which no backup holds: Kedge knows ${known}. Run \`kedge sites adopt ${uri}\` when the settings are right`,
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
function room(master: Host, { target, location, host }: SiteAtWork): Promise<number> {
  return roomAt([...rootsOf(location).map(({ path }) => ({ host, path })), { host: master, path: target.spool }]);
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
  site: SiteAtWork,
  id: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<ExaminedSource> {
  const { target, uri, location } = site;
  const catalog = parts.catalogOf(target);
  const record = await catalog.get(uri, id);
  const path = catalog.pathOf(record);
  await assertTrustedFile(parts.master, path);
  const { owner } = location;
  const inspection = await parts.archives.inspect(
    path,
    { from: 'catalogue', owner },
    operation,
    await room(parts.master, site),
  );
  const facts = await (await site.databaseServer(operation.signal)).facts();
  checkRestorable(record, inspection, facts, location);
  tellText(checkText(record, inspection, asked), operation);
  for (const lost of record.incomplete ?? []) operation.log.warn(`the backup ${id} is incomplete: ${lost}`);
  return examinedSource(parts.master, site, record, path, inspection, facts, operation);
}

/** Checks an archive that a site is deployed from: one that Kedge packed, of this site, and importable here. */
export async function examineArchive(
  parts: ExaminationParts,
  site: SiteAtWork,
  path: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<ExaminedSource> {
  const { uri, location } = site;
  const context = { site: uri, state: 'nothing was changed' };
  await assertTrustedFile(parts.master, path);
  const inspection = await parts.archives.inspect(
    path,
    { from: 'foreign', owner: location.owner },
    operation,
    await room(parts.master, site),
  );
  const { record } = inspection;
  if (!record) throw new KedgeError('ArchiveInvalid', `${path} was not packed by Kedge: it holds no record`, context);
  if (record.site !== uri) {
    throw new KedgeError('ArchiveRefused', `${path} is a backup of ${record.site}, not of ${uri}`, {
      ...context,
      hint: 'Deploy it under the URI it was made of.',
    });
  }
  const facts = await (await site.databaseServer(operation.signal)).facts();
  checkImportable(record, inspection, facts, location);
  tellText(checkText(record, inspection, asked), operation);
  return examinedSource(parts.master, site, record, path, inspection, facts, operation);
}

function examinedSource(
  master: Host,
  { target, location, host }: SiteAtWork,
  record: PackedRecord,
  path: string,
  inspection: Inspection,
  facts: ServerFacts,
  operation: Operation,
): ExaminedSource {
  for (const warning of inspection.warnings) operation.log.warn(warning);
  for (const link of inspection.leavingLinks)
    operation.log.warn(`a link of the backup leads out of the site folder: ${link}`);
  for (const { name, from, to } of movedPaths(record, location))
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
      ...rootsOf(location).map(({ name, path }) => {
        const { bytes = 0, members = 0, owners = [] } = inspection.roots.find((root) => root.name === name) ?? {};
        return { place: 'web staging', host, path, bytes, files: members, owners };
      }),
      { place: 'spool', host: master, path: target.spool, bytes: dumpBytes },
      // A table is a file or two.
      {
        place: 'database server',
        host: master,
        path: facts.dataFolder,
        bytes: dumpBytes,
        files: 2 * record.database.tables.length,
      },
      ...(facts.binaryLogFolder === null
        ? []
        : [{ place: 'binary log', host: master, path: facts.binaryLogFolder, bytes: dumpBytes }]),
    ],
  };
}

/** A site is deployed where there is none: neither files nor a database that would be lost. */
export async function examineNewSite(
  { states }: Pick<ExaminationParts, 'states'>,
  { uri, location, host, webServer, databaseServer }: SiteAtWork,
  operation: Operation,
): Promise<void> {
  const exists = (what: string): KedgeError =>
    new KedgeError('SiteFolderRefused', `${uri} exists already: ${what}`, {
      site: uri,
      state: 'the site is unchanged',
      hint: 'To go back to a backup use `kedge restore`; to deploy anew move folder and database of the site away first.',
    });
  for (const { path } of rootsOf(location)) {
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
  const state = await states.find(uri);
  const server = await databaseServer(operation.signal);
  if (state && (await server.databaseExists(state.current.database)))
    throw exists(`its database ${state.current.database}`);
  if (location.vhost !== 'none') await webServer.test(operation);
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
