import type { SiteLocation } from '../../contract/target';

/** A path of a site, from its slash on; or every path that a pattern of PCRE matches, without case. */
export type RefusedPath = { readonly path: string } | { readonly pattern: string };

type Refused = (site: Pick<SiteLocation, 'settings'>) => readonly RefusedPath[];

const BY_KIND: Record<SiteLocation['kind'], Refused> = {
  wordpress: () => [
    { pattern: '/wp-config[^/]*$' },
    { pattern: '^/wp-content/uploads/.*\\.(php[0-9]?|phtml|phar)(/|$)' },
  ],
  // PHP is executed, anything else would be sent with its passwords.
  php: ({ settings }) =>
    settings === undefined || /\.php$/i.test(settings.file) ? [] : [{ path: `/${settings.file}` }],
};

/**
 * What of the folder of a site nobody may ask the web server for, by its kind. It stands alone, apart from what else is known of kinds: a
 * server renders the vhosts of its sites by it, and knows nothing more of them.
 */
export function refusedPathsOf(site: Pick<SiteLocation, 'kind' | 'settings'>): readonly RefusedPath[] {
  return BY_KIND[site.kind](site);
}
