import type { Configuration, SiteConfiguration } from './schema';

export interface Contradiction {
  readonly path: readonly string[];
  readonly message: string;
}

/** What a managed vhost alone can have. */
const OF_MANAGED_VHOSTS = ['tls', 'redirects', 'vhostTemplate', 'vhostInclude'] as const;

/** What each line alone cannot show: names that lead nowhere, and folders and names that two sites claim. */
export function findContradictions(configuration: Configuration, exists: (path: string) => boolean): Contradiction[] {
  const found: Contradiction[] = [];
  const say = (path: readonly string[], message: string): void => void found.push({ path, message });
  const names = new Map<string, string>();
  const sites = Object.entries(configuration.sites);

  for (const [uri, site] of sites) {
    const server = configuration.servers[site.server];
    if (!server) say(['sites', uri, 'server'], `there is no server ${site.server}`);
    else if (!server.web) say(['sites', uri, 'server'], `the server ${site.server} has no web`);
    const database = configuration.servers[site.db];
    if (!database) say(['sites', uri, 'db'], `there is no server ${site.db}`);
    else if (!database.db) say(['sites', uri, 'db'], `the server ${site.db} has no db`);

    for (const { key, message } of vhostContradictions(uri, site, exists)) say(['sites', uri, ...key], message);
    for (const name of [uri, ...site.aliases, ...(site.redirects?.names ?? [])]) {
      const holder = names.get(name);
      if (holder !== undefined) say(['sites', uri], `${name} is a name of ${holder} already`);
      names.set(name, uri);
    }
    for (const [other, { root }] of sites) {
      if (other === uri) continue;
      if (contains(root, site.root)) say(['sites', uri, 'root'], `${site.root} lies in the folder of ${other}`);
    }
    for (const key of ['backups', 'state', 'spool'] as const) {
      const folder = configuration[key];
      if (folder !== undefined && contains(site.root, folder))
        say([key], `${folder} lies in the folder of the site ${uri}`);
      if (folder !== undefined && contains(folder, site.root))
        say(['sites', uri, 'root'], `${site.root} lies in the ${key} folder`);
    }
  }
  for (const [name, { web }] of Object.entries(configuration.servers)) {
    const template = web?.vhostTemplate;
    if (template !== undefined && !exists(template))
      say(['servers', name, 'web', 'vhostTemplate'], `there is no template ${template}`);
  }
  return found;
}

function vhostContradictions(
  uri: string,
  site: SiteConfiguration,
  exists: (path: string) => boolean,
): { key: readonly string[]; message: string }[] {
  const found: { key: readonly string[]; message: string }[] = [];
  const say = (key: readonly string[], message: string): void => void found.push({ key, message });
  for (const key of OF_MANAGED_VHOSTS) {
    if (site[key] !== undefined && site.vhost !== 'managed')
      say([key], `only a managed vhost has ${key}, and vhost of ${uri} is ${site.vhost}`);
  }
  if (site.redirects?.https && !site.tls) say(['redirects', 'https'], `${uri} has no tls: https would lead nowhere`);
  if (site.vhostTemplate !== undefined && !exists(site.vhostTemplate))
    say(['vhostTemplate'], `there is no template ${site.vhostTemplate}`);
  for (const key of ['vhostInclude', 'vhostTemplate'] as const) {
    const path = site[key];
    if (path !== undefined && contains(site.root, path))
      say([key], `${path} lies in the folder of the site, whose owner would configure the web server`);
  }
  return found;
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}
