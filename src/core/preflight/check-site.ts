import type { Target } from '../../contract/target';
import type { SiteAtWork } from '../sites/site-at-work';
import type { Operation } from '../operation';
import { sideBySide } from '../side-by-side';
import type { Journal } from '../tasks/journal';
import type { SiteDatabase } from '../tasks/site-state';
import { checkLiveSite } from './live-site';
import { seenSite } from './visible-site';
import { checkQuotas } from './quota';
import type { SiteBytes } from './safety-room';
import { type SpaceNeed, checkSpace } from './space';

/** What the journal of a task keeps of its preflight. */
export type Found = Pick<
  Journal,
  'target' | 'before' | 'contentMark' | 'answered' | 'notBackedUp' | 'setAside' | 'source'
>;

/** Keeps what was found; nobody keeps it where nothing will be done. */
export type Note = (found: Partial<Found>) => Promise<unknown>;

/** A site that was looked at. */
export interface CheckedSite {
  readonly target: Target;
  readonly bytes: SiteBytes;
  /** What a backup of it will not hold, a sentence each. */
  readonly notBackedUp: readonly string[];
}

/**
 * Looks at a live site whose target has its addresses: folder, database, settings, and what visitors are answered.
 * @throws KedgeError for whatever would stop a task; the site is unchanged
 */
export async function checkSite(
  site: SiteAtWork,
  current: SiteDatabase,
  asked: { readonly isSafety: boolean },
  operation: Operation,
  note: Note,
): Promise<CheckedSite> {
  const [{ bytes, notBackedUp, linkedTo }, seen] = await sideBySide([
    checkLiveSite(site, current, asked, operation),
    seenSite(site, operation),
  ]);
  const location = linkedTo.length === 0 ? site.location : { ...site.location, linkedTo: [...linkedTo] };
  const found = { ...site.target, site: location };
  await note({ notBackedUp, ...seen, target: found });
  return { target: found, bytes, notBackedUp };
}

/** Room on every disk, and within the owner's quota. @throws KedgeError DiskFull */
export async function checkRoom(target: Target, needs: readonly SpaceNeed[], operation: Operation): Promise<void> {
  const { uri } = target.site;
  await checkSpace(needs, uri);
  await checkQuotas(needs, uri, operation);
}
