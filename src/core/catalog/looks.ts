import type { BackupRecord } from '../../contract/backup-record';
import type { Host } from '../hosts/host';
import type { Catalog } from './catalog';
import { lookAt } from './publication';

/** What was seen of the backups of one site. */
export interface Look<Seen> {
  /** The one that the rest depends on: it is looked at each time. Null without one. */
  readonly good: BackupRecord | null;
  readonly seen: Seen;
}

interface Known<Seen> extends Look<Seen> {
  readonly changedMs: number;
  readonly readMs: number;
}

/** Folders tell time in ticks of a few ms: one that changed just now may change again without its being seen, ms. */
const SETTLED_AFTER_MS = 2_000;

/**
 * Looks at the backups of many sites, again and again. The records of a site are read anew only when its folder has changed, for every record
 * comes by a rename and goes by a removal: a look at a thousand sites is one at a thousand folders.
 */
export class Looks<Seen> {
  private readonly known = new Map<string, Known<Seen>>();

  constructor(
    private readonly master: Host,
    private readonly read: (catalog: Catalog, site: string) => Promise<Look<Seen>>,
    /** After so long they are read in any case, ms. Default: never. */
    private readonly readAgainAfterMs = Infinity,
  ) {}

  /** `folder`: that of the site's backups. `now`: ms since 1970. @throws what the reading throws */
  async of(site: string, catalog: Catalog, folder: string, now: number): Promise<Seen> {
    const changedMs = (await this.master.status(folder))?.modifiedMs ?? 0;
    const known = this.known.get(folder);
    if (known && (await this.holds(catalog, known, changedMs, now))) return known.seen;
    const look = await this.read(catalog, site);
    this.known.delete(folder);
    if (Math.abs(now - changedMs) > SETTLED_AFTER_MS) this.known.set(folder, { changedMs, readMs: now, ...look });
    return look.seen;
  }

  /** Forgets folders that are not among these. */
  keepOnly(folders: ReadonlySet<string>): void {
    for (const folder of this.known.keys()) if (!folders.has(folder)) this.known.delete(folder);
  }

  private async holds(catalog: Catalog, known: Known<Seen>, changedMs: number, now: number): Promise<boolean> {
    if (known.changedMs !== changedMs || Math.abs(now - known.readMs) > this.readAgainAfterMs) return false;
    return known.good === null || !(await lookAt(catalog, this.master, known.good)).isDamaged;
  }
}
