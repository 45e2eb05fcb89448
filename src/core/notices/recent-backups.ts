import { join } from 'node:path';
import { type BackupRecord, isSafetyBackup } from '../../contract/backup-record';
import type { Catalog } from '../catalog/catalog';
import { type Look, Looks } from '../catalog/looks';
import { findNewestGood, publishedAt } from '../catalog/publication';
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
/** What happens to archives where they lie changes nothing of their folder, ms. */
const READ_AGAIN_AFTER_MS = 3_600_000;

/** Reads the newest backups of many sites, again and again. */
export class RecentBackupsReader {
  private readonly looks: Looks<RecentBackups>;

  constructor(private readonly master: Host) {
    this.looks = new Looks(master, (catalog, site) => this.read(catalog, site), READ_AGAIN_AFTER_MS);
  }

  /** `folder`: that of all backups. `now`: ms since 1970. Records that cannot be read are none. */
  of(catalog: Catalog, folder: string, site: string, now: number): Promise<RecentBackups> {
    return this.looks.of(site, catalog, join(folder, site), now);
  }

  private async read(catalog: Catalog, site: string): Promise<Look<RecentBackups>> {
    const { backups } = await catalog.list(site);
    const { record, passedOver } = await findNewestGood(catalog, this.master, backups);
    const newest = backups.filter((one) => !isSafetyBackup(one)).slice(0, NEWEST);
    return {
      good: record,
      seen: {
        good: record && { id: record.id, published: momentOf(record) },
        passedOver: passedOver[0] ?? null,
        newest: newest.map((one) => ({ published: momentOf(one), bytes: one.bytes })),
      },
    };
  }
}

function momentOf(record: BackupRecord): number {
  return new Date(publishedAt(record)).getTime();
}
