import type { Selection } from '../contract/fleet';
import type { Configuration, SiteConfiguration } from './schema';

/** URIs of the sites for which all of a selection holds, in the order of their names. */
export function selectSites(
  { sites }: Pick<Configuration, 'sites'>,
  { sites: names, kind, server }: Selection,
): string[] {
  const isMeant = ([uri, site]: [string, SiteConfiguration]): boolean =>
    (names === undefined || names.some((name) => fits(name, uri))) &&
    (kind === undefined || site.kind === kind) &&
    (server === undefined || site.server === server);
  return Object.entries(sites)
    .filter(isMeant)
    .map(([uri]) => uri)
    .sort();
}

/** True for a name of a selection that may fit more than one site. */
export function hasWildcard(name: string): boolean {
  return name.includes('*');
}

/** Names of a selection that are meant as they stand, and are no site. */
export function unknownNames({ sites }: Pick<Configuration, 'sites'>, { sites: names = [] }: Selection): string[] {
  return names.filter((name) => !hasWildcard(name) && !Object.hasOwn(sites, name));
}

/** A selection as people read it: `blog*.example, kind wordpress, server local`. */
export function selectionText({ sites = [], kind, server }: Selection): string {
  const said = [
    ...sites,
    ...(kind === undefined ? [] : [`kind ${kind}`]),
    ...(server === undefined ? [] : [`server ${server}`]),
  ];
  return said.length === 0 ? 'all sites' : said.join(', ');
}

/**
 * Whether a name with `*` for any characters fits another one. Never looks at a character twice: whoever reaches Temporal may send one.
 */
export function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}
