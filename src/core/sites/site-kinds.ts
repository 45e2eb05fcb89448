import type { SiteLocation } from '../../contract/target';
import { plainPhp } from './plain-php';
import type { SiteKind } from './site-kind';
import { wordPress } from './wordpress/wordpress';

const KINDS: Record<SiteLocation['kind'], SiteKind> = { wordpress: wordPress, php: plainPhp };

/** All there are; who recognises by them asks the one without traces last. */
export const SITE_KINDS: readonly SiteKind[] = Object.values(KINDS);

/** What is known about sites of this kind. */
export function siteKindOf(site: Pick<SiteLocation, 'kind'>): SiteKind {
  return KINDS[site.kind];
}
