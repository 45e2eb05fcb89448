import type { Configuration } from './schema';

/** How old the newest good backup of each site may become, ms. Sites without such an objective are left out. */
export function maxAgesOf({ objective, sites }: Configuration): ReadonlyMap<string, number> {
  const ages = new Map<string, number>();
  for (const [site, { objective: own }] of Object.entries(sites)) {
    const maxAge = (own ?? objective)?.maxAge ?? null;
    if (maxAge !== null) ages.set(site, maxAge);
  }
  return ages;
}
