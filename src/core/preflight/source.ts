import type { PackedRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { rootsOf } from '../../contract/target';
import type { DumpInspection, Inspection } from '../archive/archive';
import { checkImportable, checkRestorable, checkText, movedPaths } from '../archive/restorable';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import { assertTrustedFile } from '../hosts/trusted-path';
import type { Operation } from '../operation';
import type { SiteAtWork } from '../sites/site-at-work';
import type { Journal } from '../tasks/journal';
import { needsOfDatabase } from './database-room';
import { type SpaceNeed, roomAt } from './space';
import type { PreflightParts } from './parts';

/** A backup as it was examined, and the room it needs. */
export interface CheckedSource {
  source: NonNullable<Journal['source']>;
  needs: SpaceNeed[];
  /** Bytes of the dump. */
  dumpBytes: number;
  elsewhere: DumpInspection['elsewhere'];
  /** Digest of what the dump defines. */
  definitions: string;
}

/** Whether question marks may take the place of bytes that are no letters. */
interface AskedOfText {
  readonly mayBeReplaced: boolean;
}

/**
 * Checks the backup a restore goes back to: whole, what its record says, and something this server can import.
 * @throws KedgeError BackupUnknown, BackupDamaged, PathsDiffer, ArchiveInvalid, ArchiveRefused, DumpInvalid,
 *   DumpIncompatible
 */
export async function checkSourceBackup(
  parts: PreflightParts,
  site: SiteAtWork,
  id: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<CheckedSource> {
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
  const server = await site.databaseServer(operation.signal);
  checkRestorable(record, inspection, await server.facts(), location);
  tellText(checkText(record, inspection, asked), operation);
  for (const lost of record.incomplete ?? []) operation.log.warn(`the backup ${id} is incomplete: ${lost}`);
  return sourceOf(parts.master, site, server, { record, path, inspection }, operation);
}

/** Checks an archive that a site is deployed from: one that Kedge packed, of this site, and importable here. */
export async function checkSourceArchive(
  parts: PreflightParts,
  site: SiteAtWork,
  path: string,
  operation: Operation,
  asked: AskedOfText,
): Promise<CheckedSource> {
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
  const server = await site.databaseServer(operation.signal);
  checkImportable(record, inspection, await server.facts(), location);
  tellText(checkText(record, inspection, asked), operation);
  return sourceOf(parts.master, site, server, { record, path, inspection }, operation);
}

async function sourceOf(
  master: Host,
  { target, location, host }: SiteAtWork,
  server: DatabaseServer,
  { record, path, inspection }: { record: PackedRecord; path: string; inspection: Inspection },
  operation: Operation,
): Promise<CheckedSource> {
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
      // They are unpacked and judged on the master, whose disk is another.
      ...(host === master ? [] : inspection.roots).map(({ bytes, members }) => ({
        ...{ place: 'spool', host: master, path: target.spool, bytes, files: members },
      })),
      ...(await needsOfDatabase(server, { bytes: dumpBytes, tables: record.database.tables.length }, operation)),
    ],
  };
}

/** Bytes there are for what an archive holds, wherever that goes. */
function room(master: Host, { target, location, host }: SiteAtWork): Promise<number> {
  return roomAt([...rootsOf(location).map(({ path }) => ({ host, path })), { host: master, path: target.spool }]);
}

function tellText(sentence: string | null, operation: Operation): void {
  if (sentence !== null) operation.log.warn(sentence);
}
