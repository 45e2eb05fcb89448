import type { Target } from '../../contract/target';
import type { Archives } from '../archive/archive';
import type { Catalog } from '../catalog/catalog';
import type { Host } from '../hosts/host';
import type { SiteAtWork } from '../sites/site-at-work';
import type { Mirrors } from '../sync/mirrors';
import type { SiteStates } from '../tasks/site-state';

/** What a task looks at, before it does anything, acts through. */
export interface PreflightParts {
  readonly master: Host;
  readonly states: SiteStates;
  readonly archives: Archives;
  readonly mirrors: Mirrors;
  /** Where the target has its backups. */
  catalogOf(target: Target): Catalog;
  siteAtWork(target: Target): SiteAtWork;
}
