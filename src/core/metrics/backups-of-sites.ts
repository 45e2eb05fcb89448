import type { Catalog } from '../catalog/catalog';
import { type Look, Looks } from '../catalog/looks';
import { findNewestGood } from '../catalog/publication';
import type { Host } from '../hosts/host';

/** The backups of a site in a few numbers. */
export interface BackupsOfSite {
  readonly count: number;
  /** Of all archives. */
  readonly bytes: number;
  /** The newest good one that somebody or a schedule asked for; null where there is none. */
  readonly good: { readonly madeMs: number; readonly bytes: number } | null;
}

/** Numbers of the catalogue, for many sites and again and again. */
export class BackupsOfSites {
  private readonly looks: Looks<BackupsOfSite>;

  constructor(private readonly master: Host) {
    this.looks = new Looks(master, (catalog, site) => this.read(catalog, site));
  }

  /** `folder` holds the backups of the site. @throws KedgeError what the catalogue throws */
  of(site: string, catalog: Catalog, folder: string): Promise<BackupsOfSite> {
    return this.looks.of(site, catalog, folder, Date.now());
  }

  /** Forgets folders of sites that are not among these. */
  keepOnly(folders: ReadonlySet<string>): void {
    this.looks.keepOnly(folders);
  }

  private async read(catalog: Catalog, site: string): Promise<Look<BackupsOfSite>> {
    const { backups } = await catalog.list(site);
    const { record } = await findNewestGood(catalog, this.master, backups);
    return {
      good: record,
      seen: {
        count: backups.length,
        bytes: backups.reduce((sum, { bytes }) => sum + bytes, 0),
        good: record && { madeMs: Date.parse(record.created), bytes: record.bytes },
      },
    };
  }
}
