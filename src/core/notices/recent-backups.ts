import { join } from 'node:path';
import { type BackupRecord, isSafetyBackup } from '../../contract/backup-record';
import type { Catalog } from '../catalog/catalog';
import { lookAt, publishedAt } from '../catalog/publication';
import type { Host } from '../hosts/host';

/** The newest backups of a site, as far as somebody is told of them. */
export interface RecentBackups {
  /** The newest good one that was asked for; null where there is none. `published`: ms since 1970. */
  readonly good: { readonly id: string; readonly published: number } | null;
  /** Why the newest of all that were asked for is not the good one; null where it is, or there is none. */
  readonly passedOver: string | null;
  /** The newest that were asked for, newest first. `published`: ms since 1970. */
  readonly newest: readonly { readonly published: number; readonly bytes: number }[];
}

/** As many as a rhythm is seen by. */
const NEWEST = 6;
/** An archive that loses bytes where it lies changes nothing of its folder, ms. */
const REREAD_AFTER_MS = 3_600_000;
/** Folders tell time in ticks of a few ms: one that changed just now may change again without its being seen, ms. */
const SETTLED_AFTER_MS = 2_000;

interface Known {
  readonly changedMs: number;
  readonly readMs: number;
  readonly good: BackupRecord | null;
  readonly recent: RecentBackups;
}

/** Reads the records of a site again only when its folder in the catalogue changed: a look at a thousand sites is one at a thousand folders. */
export class RecentBackupsReader {
  private readonly known = new Map<string, Known>();

  constructor(private readonly master: Host) {}

  /** `folder`: that of all backups. `now`: ms since 1970. Records that cannot be read are none. */
  async of(catalog: Catalog, folder: string, site: string, now: number): Promise<RecentBackups> {
    const path = join(folder, site);
    const changedMs = (await this.master.status(path))?.modifiedMs ?? 0;
    const known = this.known.get(path);
    if (known && (await this.holds(catalog, known, changedMs, now))) return known.recent;
    const read = await this.read(catalog, site);
    if (now - changedMs > SETTLED_AFTER_MS) this.known.set(path, { changedMs, readMs: now, ...read });
    else this.known.delete(path);
    return read.recent;
  }

  private async holds(catalog: Catalog, known: Known, changedMs: number, now: number): Promise<boolean> {
    if (known.changedMs !== changedMs || Math.abs(now - known.readMs) > REREAD_AFTER_MS) return false;
    return known.good === null || !(await lookAt(catalog, this.master, known.good)).isDamaged;
  }

  private async read(catalog: Catalog, site: string): Promise<{ good: BackupRecord | null; recent: RecentBackups }> {
    const { backups } = await catalog.list(site);
    const asked = backups.filter((record) => !isSafetyBackup(record));
    const newest = asked.slice(0, NEWEST).map((record) => ({ published: momentOf(record), bytes: record.bytes }));
    let passedOver: string | null = null;
    for (const record of asked) {
      const { doubt } = await lookAt(catalog, this.master, record);
      if (doubt === null)
        return { good: record, recent: { good: { id: record.id, published: momentOf(record) }, passedOver, newest } };
      passedOver ??= `${record.id} is passed over: ${doubt}`;
    }
    return { good: null, recent: { good: null, passedOver, newest } };
  }
}

function momentOf(record: BackupRecord): number {
  return new Date(publishedAt(record)).getTime();
}
