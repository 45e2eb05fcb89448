import type { SiteLocation } from '../../contract/target';
import type { Host } from '../hosts/host';

/**
 * A folder of a site as it lies on a host, and the path the site knows it by. While a restore is staged they differ:
 * programs see the folder at the path the site will live at, so that `__DIR__` is right.
 */
export interface SiteFolder {
  readonly host: Host;
  /** Where the folder is now. */
  readonly path: string;
  /** Who it is. `site.root` is the path it is seen at. */
  readonly site: SiteLocation;
}
