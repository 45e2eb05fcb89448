import type { Configuration } from './schema';

export interface Contradiction {
  readonly path: readonly string[];
  readonly message: string;
}

/** What each line alone cannot show: names that lead nowhere, and folders and names that two sites claim. */
export function findContradictions(configuration: Configuration): Contradiction[] {
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

    for (const name of [uri, ...site.aliases]) {
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
  return found;
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}
