import { join } from 'node:path';
import { z } from 'zod';
import {
  type BackupRecord,
  BACKUP_RECORD,
  MAXIMUM_RECORD_BYTES,
  backupIdSchema,
  recordText,
} from '../../contract/backup-record';
import { readDocument } from '../../contract/documents-on-disk';
import { KedgeError } from '../../contract/errors';
import { describeIssues } from '../../contract/schema-issues';
import { timeStamp } from '../../contract/names';
import { siteUriSchema } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Catalog, Listing, Stray } from './catalog';
import { beginDeletion, finishDeletion, halfDeleted, isArchive, isArchiveOf } from './deletion';
import { byPublication } from './publication';

/** Archives that a running task writes; undo removes them. */
const TEMPORARY = /^\./;
/** A record of many wrong keys names them all. */
const COMPLAINT_CHARACTERS = 1000;

/** A catalogue in `<backups>/<site>/`. */
export function createCatalog(backupsFolder: string, master: Host): Catalog {
  return new FileCatalog(backupsFolder, master);
}

class FileCatalog implements Catalog {
  constructor(
    private readonly backupsFolder: string,
    private readonly master: Host,
  ) {}

  async folderOf(site: string): Promise<string> {
    const folder = this.path(site);
    await this.master.makeFolder(folder, { mode: 0o700 });
    return folder;
  }

  async nextId(site: string, created: Date): Promise<string> {
    const names = await this.master.list(this.path(site));
    // A clock that was set back must not make the new one look older than what is there.
    const stamps = names.flatMap((name) => /-(\d{8}\.\d{6})(?:_\d+)?(?:\.json|\.tar\.\w+)$/.exec(name)?.[1] ?? []);
    const base = `${site}-${[timeStamp(created), ...stamps].sort().at(-1)}`;
    for (let count = 0; ; count += 1) {
      const id = count === 0 ? base : `${base}_${count}`;
      if (!names.some((name) => name === `${id}.json` || isArchiveOf(id, name)) && !halfDeleted(names).includes(id))
        return id;
    }
  }

  async publish(record: BackupRecord, temporaryArchive: string): Promise<void> {
    const archive = this.pathOf(record);
    if (await this.master.status(temporaryArchive)) await this.master.rename(temporaryArchive, archive);
    await this.master.writeFile(this.recordPath(record.site, record.id), recordText(record), {
      mode: 0o600,
    });
  }

  async amend(site: string, id: string, change: (record: BackupRecord) => BackupRecord): Promise<void> {
    const path = this.recordPath(site, id);
    if (!(await this.master.status(path))) return;
    const record = change(await this.read(path, site, id));
    await this.master.writeFile(path, recordText(record), { mode: 0o600 });
  }

  async list(site: string): Promise<Listing> {
    const folder = this.path(site);
    const all = await this.master.list(folder);
    const names = all.filter((name) => !TEMPORARY.test(name));
    const backups: BackupRecord[] = [];
    const strays: Stray[] = [];
    const going = halfDeleted(all);
    const claimed = new Set(names.filter((name) => going.some((id) => isArchiveOf(id, name))));
    for (const name of names.filter((name) => name.endsWith('.json'))) {
      const file = join(folder, name);
      const id = name.slice(0, -'.json'.length);
      try {
        const record = await this.read(file, site, id);
        claimed.add(record.archive);
        if (names.includes(record.archive)) backups.push(record);
        else strays.push({ file, problem: 'record without archive' });
      } catch (error) {
        strays.push({ file, problem: error instanceof Error ? error.message : String(error) });
        // It has a record, whatever that says.
        for (const archive of names) if (isArchiveOf(id, archive)) claimed.add(archive);
      }
    }
    for (const name of names) {
      if (name.endsWith('.json') || claimed.has(name)) continue;
      strays.push({
        file: join(folder, name),
        problem: isArchive(name) ? 'archive without record' : 'foreign file',
      });
    }
    backups.sort(byPublication);
    return { backups, strays };
  }

  async get(site: string, id: string): Promise<BackupRecord> {
    const path = this.recordPath(site, id);
    if (!(await this.master.status(path))) {
      throw new KedgeError('BackupUnknown', `${site} has no backup ${id}`, {
        site,
        hint: `See \`kedge backups ${site}\`.`,
      });
    }
    const record = await this.read(path, site, id);
    if (await this.master.status(this.pathOf(record))) return record;
    throw new KedgeError('BackupUnknown', `the archive of backup ${id} is gone: ${this.pathOf(record)}`, { site });
  }

  pathOf(record: BackupRecord): string {
    return join(this.path(record.site), record.archive);
  }

  async delete(site: string, id: string): Promise<void> {
    const path = this.recordPath(site, id);
    if (await this.master.status(path)) {
      await this.read(path, site, id);
      await beginDeletion(this.master, this.path(site), id);
    }
    await finishDeletion(this.master, this.path(site), id);
  }

  private async read(path: string, site: string, id: string): Promise<BackupRecord> {
    const text = (await this.master.readFile(path, MAXIMUM_RECORD_BYTES)).toString('utf8');
    const invalid = (why: string): KedgeError =>
      new KedgeError('RecordInvalid', `record cannot be read: ${why}`, { site });
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      throw invalid('it is not JSON');
    }
    const record = decode(document, id, invalid);
    if (record.id !== id || record.site !== site) throw invalid(`it is the record of ${record.id}`);
    if (!isArchiveOf(id, record.archive)) throw invalid(`it names the archive ${record.archive}`);
    return record;
  }

  private path(site: string): string {
    if (!siteUriSchema.safeParse(site).success)
      throw new KedgeError('SiteUnknown', `${JSON.stringify(site)} is no site`);
    return join(this.backupsFolder, site);
  }

  private recordPath(site: string, id: string): string {
    if (!backupIdSchema.safeParse(id).success || !id.startsWith(`${site}-`)) {
      throw new KedgeError('BackupUnknown', `${JSON.stringify(id)} is no backup of ${site}`, { site });
    }
    return join(this.path(site), `${id}.json`);
  }
}

/** @throws KedgeError NewerVersion, or what `invalid` makes of what is wrong */
function decode(document: unknown, id: string, invalid: (why: string) => KedgeError): BackupRecord {
  try {
    return readDocument(BACKUP_RECORD, document, `backup ${id}`);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw invalid(describeIssues(error).slice(0, COMPLAINT_CHARACTERS));
  }
}
