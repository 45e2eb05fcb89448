import type { BackupRecord, ContentMark } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress, Target, WebServerAddress } from '../../contract/target';
import type { Archives, Inspection } from '../archive/archive';
import { checkRestorable } from '../archive/restorable';
import type { Catalog } from '../catalog/catalog';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import { assertTrustedFile } from '../hosts/trusted-path';
import type { Operation } from '../operation';
import { checkSiteFolder } from '../sites/folder-check';
import type { SiteKind } from '../sites/site-kind';
import type { WebServer } from '../web/web-server';
import type { Journal } from './journal';
import type { SiteDatabase } from './site-state';
import type { SpaceNeed } from './space';

/** What a task looks at, before it does anything, acts through. */
export interface ExaminationParts {
  readonly master: Host;
  readonly archives: Archives;
  readonly catalog: Catalog;
  kindOf(target: Target): SiteKind;
  webHost(target: Target): Host;
  webServer(address: WebServerAddress): WebServer;
  databaseServer(address: DatabaseServerAddress): Promise<DatabaseServer>;
}

/**
 * Looks at the live site, whose database is known to be `current`, and says what a backup of it needs.
 * @throws KedgeError for whatever would stop a task; the site is unchanged
 */
export async function examineSite(
  parts: ExaminationParts,
  target: Target,
  current: string,
  operation: Operation,
): Promise<{ needs: SpaceNeed[]; databaseBytes: number }> {
  const { site } = target;
  const folder = { host: parts.webHost(target), path: site.root, site };
  const content = await checkSiteFolder(folder, operation);
  for (const warning of content.warnings) operation.log.warn(warning);
  const database = await parts.databaseServer(target.database);
  const facts = await database.describe(current);
  if (site.vhost !== 'none') await parts.webServer(target.web).test(operation);
  await refuseOtherDatabase(parts, target, current, operation);
  const needs = [
    { place: 'backups', path: target.backups, bytes: content.bytes + facts.bytes },
    { place: 'spool', path: target.spool, bytes: facts.bytes },
  ];
  return { needs, databaseBytes: facts.bytes };
}

/** What a visitor sees now; null when the site is broken or behind its maintenance page. */
export async function contentMarkOf(
  parts: ExaminationParts,
  target: Target,
  operation: Operation,
): Promise<ContentMark | null> {
  if (target.site.vhost === 'none') return null;
  try {
    const { mark } = await parts.webServer(target.web).request(target.site, target.site.healthPath, operation);
    return mark.status < 400 ? mark : null;
  } catch (error) {
    operation.signal.throwIfAborted();
    operation.log.warn(`${target.site.uri} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** A site whose settings name another database than Kedge knows would be backed up with the wrong one. */
async function refuseOtherDatabase(
  parts: ExaminationParts,
  target: Target,
  known: string,
  operation: Operation,
): Promise<void> {
  const { site } = target;
  const settings = await parts
    .kindOf(target)
    .readSettings({ host: parts.webHost(target), path: site.root, site }, operation)
    .catch((error: unknown) => {
      operation.signal.throwIfAborted();
      operation.log.warn(
        `the settings of ${site.uri} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
      return null;
    });
  if (settings && settings.database !== known) {
    throw new KedgeError(
      'AdoptionRefused',
      `the settings of ${site.uri} name the database ${settings.database}, Kedge knows ${known}`,
      {
        site: site.uri,
        hint: `Run \`kedge sites adopt ${site.uri}\` when the settings are right.`,
        state: 'the site is unchanged',
      },
    );
  }
}

/**
 * Checks the backup a restore goes back to: whole, what its record says, and something this server can import.
 * @throws KedgeError BackupUnknown, BackupDamaged, ArchiveInvalid, ArchiveRefused, DumpInvalid, DumpIncompatible
 */
export async function examineSource(
  parts: ExaminationParts,
  target: Target,
  id: string,
  operation: Operation,
): Promise<{
  source: NonNullable<Journal['source']>;
  record: BackupRecord;
  inspection: Inspection;
  restoreNeeds: SpaceNeed[];
}> {
  const record: BackupRecord = await parts.catalog.get(target.site.uri, id);
  const path = parts.catalog.pathOf(record);
  await assertTrustedFile(parts.master, path);
  const inspection = await parts.archives.inspect(path, operation);
  const database = await parts.databaseServer(target.database);
  const facts = await database.facts();
  checkRestorable(record, inspection, facts, target.site);
  for (const link of inspection.leavingLinks)
    operation.log.warn(`a link of the backup leads out of the site folder: ${link}`);
  const dumpBytes = inspection.dump?.bytes ?? 0;
  return {
    source: { id: record.id, path, sha256: record.sha256 },
    record,
    inspection,
    restoreNeeds: [
      { place: 'web staging', path: target.site.root, bytes: inspection.contentBytes },
      { place: 'spool', path: target.spool, bytes: dumpBytes },
      { place: 'database server', path: facts.dataFolder, bytes: dumpBytes },
      ...(facts.binaryLogFolder === null
        ? []
        : [{ place: 'binary log', path: facts.binaryLogFolder, bytes: dumpBytes }]),
    ],
  };
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
    throw new KedgeError('AccountShared', `the account ${account.user} reaches more than the database ${database}`, {
      site: target.site.uri,
      server: target.database.name,
    });
  }
  operation.log.warn(`the account ${account.user} is shared: writes of the site are not fenced`);
  return false;
}
