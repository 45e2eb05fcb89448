import type { SiteLocation } from '../../contract/target';
import { plainPhp } from './plain-php';
import type { SiteKind } from './site-kind';
import { wordPress } from './wordpress/wordpress';

const KINDS: Record<SiteLocation['kind'], SiteKind> = { wordpress: wordPress, php: plainPhp };

/** What is known about sites of this kind. */
export function siteKindOf(site: Pick<SiteLocation, 'kind'>): SiteKind {
  return KINDS[site.kind];
}
