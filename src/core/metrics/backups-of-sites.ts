import { isSafetyBackup } from '../../contract/backup-record';
import type { Catalog } from '../catalog/catalog';
import { lookAt } from '../catalog/publication';
import type { Host } from '../hosts/host';

/** The backups of a site in a few numbers. */
export interface BackupsOfSite {
  readonly count: number;
  /** Of all archives. */
  readonly bytes: number;
  /** The newest good one that somebody or a schedule asked for; null where there is none. */
  readonly good: { readonly madeMs: number; readonly bytes: number } | null;
}

interface Known {
  readonly catalog: string;
  readonly folderChangedMs: number;
  readonly backups: BackupsOfSite;
  /** The archive of the good one. */
  readonly archive: string | null;
}

/**
 * Numbers of the catalogue, for many sites and again and again. The records of a site are read anew only when its folder has changed, for
 * every record comes by a rename and goes by a removal; the archive of the good one is looked at each time.
 */
export class BackupsOfSites {
  private readonly known = new Map<string, Known>();

  constructor(private readonly master: Host) {}

  /** `folder` holds the backups of the site. @throws KedgeError what the catalogue throws */
  async of(site: string, catalog: Catalog, folder: string): Promise<BackupsOfSite> {
    const changedMs = (await this.master.status(folder))?.modifiedMs ?? 0;
    const known = this.known.get(site);
    if (known?.catalog === folder && known.folderChangedMs === changedMs && (await this.isWhole(known)))
      return known.backups;
    const now = Date.now();
    const { backups, archive } = await this.read(site, catalog);
    this.known.delete(site);
    // What changed a moment ago may change again within the same tick of the file system's clock.
    if (Math.abs(now - changedMs) > SETTLED_MS)
      this.known.set(site, { catalog: folder, folderChangedMs: changedMs, backups, archive });
    return backups;
  }

  /** Forgets sites that are not among these. */
  keepOnly(sites: ReadonlySet<string>): void {
    for (const site of this.known.keys()) if (!sites.has(site)) this.known.delete(site);
  }

  private async isWhole({ archive, backups: { good } }: Known): Promise<boolean> {
    return archive === null || (await this.master.status(archive))?.bytes === good?.bytes;
  }

  private async read(site: string, catalog: Catalog): Promise<Pick<Known, 'backups' | 'archive'>> {
    const { backups } = await catalog.list(site);
    const numbers = { count: backups.length, bytes: backups.reduce((sum, { bytes }) => sum + bytes, 0) };
    for (const record of backups) {
      if (isSafetyBackup(record) || (await lookAt(catalog, this.master, record)).doubt !== null) continue;
      const good = { madeMs: Date.parse(record.created), bytes: record.bytes };
      return { backups: { ...numbers, good }, archive: catalog.pathOf(record) };
    }
    return { backups: { ...numbers, good: null }, archive: null };
  }
}

const SETTLED_MS = 2_000;
