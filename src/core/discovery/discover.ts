import { type Owner, type SettingsFormat, type SiteLocation, fpmSocketSchema } from '../../contract/target';
import { isKedgeError } from '../../contract/errors';
import { openDatabaseServer } from '../databases/mariadb-server';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { type ApacheVhost, readApacheVhosts } from './apache-vhosts';
import { type FpmPool, readFpmPools } from './fpm-pools';
import type { FolderElsewhere } from './folders-elsewhere';
import type { DiscoveredWebServer, ServedSite } from '../web/web-server-kind';
import { webServerKindOf } from '../web/web-server-kinds';
import { folderBehind } from '../sites/served-root';
import { siteKindOf } from '../sites/site-kinds';
import { recogniseTree } from './site-tree';

/** Where to look. */
export interface Places {
  /** This machine. */
  readonly host: MasterHost;
  /** Configuration file of nginx; null: its own default. */
  readonly nginxConfiguration: string | null;
  readonly fpmConfigurations: readonly string[];
  readonly apacheFolders: readonly string[];
  /** Sockets a database server may listen on, the likeliest first. */
  readonly databaseSockets: readonly string[];
  /** Account of the database server that the worker logs in as, by its socket. */
  readonly databaseAccount: string;
}

/** What a machine offers and holds, as far as looking at it tells. Nothing of it is proved. */
export interface Discovery {
  readonly nginx: DiscoveredWebServer | null;
  readonly database: DiscoveredDatabaseServer | null;
  readonly sites: readonly DiscoveredSite[];
  readonly apache: readonly ApacheVhost[];
  /** What was not found or not understood. */
  readonly notes: readonly string[];
}

export interface DiscoveredDatabaseServer {
  readonly kind: 'mariadb' | 'mysql';
  readonly socket: string;
  /** Those the admin account can see, the server's own left out. */
  readonly databases: readonly string[];
}

export interface DiscoveredSite {
  readonly uri: string;
  readonly aliases: readonly string[];
  readonly kind: SiteLocation['kind'];
  /** What tells that it is one, a sentence. */
  readonly kindFrom: string;
  readonly root: string;
  readonly owner: string | null;
  readonly ownerFrom: string;
  readonly phpSocket: string | null;
  /** Null where they were not seen, and for kinds that know them. */
  readonly settings: SettingsFormat | null;
  /** Folders outside of its root that it seems to use. */
  readonly elsewhere: readonly FolderElsewhere[];
  readonly vhostFile: string;
  /** Its vhost is one that Kedge wrote. */
  readonly managed: boolean;
  /** Why it cannot be used as it is. Empty for a site that can. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Looks at a machine: what nginx serves, who runs its PHP, what lies in the document roots, which databases there are.
 * Changes nothing, evaluates nothing. What cannot be looked at is a note; throws only the signal's reason.
 */
export async function discover(places: Places, operation: Operation): Promise<Discovery> {
  const notes: string[] = [];
  const attempt = async <T>(what: string, fallback: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      operation.signal.throwIfAborted();
      notes.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return fallback;
    }
  };
  const web = await attempt('nginx cannot be asked for its configuration', null, () =>
    webServerKindOf({ kind: 'nginx' }).discover(places.host, places.nginxConfiguration, operation),
  );
  const pools = await attempt('the pools of PHP-FPM cannot be read', [], () =>
    readFpmPools(places.host, places.fpmConfigurations),
  );
  const apache = await attempt('the vhosts of Apache cannot be read', [], () =>
    readApacheVhosts(places.host, places.apacheFolders),
  );
  const database = await attempt('the database server does not let in its admin account', null, () =>
    lookAtDatabases(places),
  );
  if (database === null && !notes.some((note) => note.startsWith('the database server')))
    notes.push(`no database server listens at ${places.databaseSockets.join(', ')}`);

  const sites: DiscoveredSite[] = [];
  for (const found of web?.sites ?? []) {
    const site = await attempt(`${found.root} cannot be looked at`, null, () =>
      describeSite(places.host, found, pools, operation),
    );
    if (site === null) continue;
    if (typeof site === 'string') notes.push(site);
    else sites.push(site);
  }
  notes.push(...(web?.notes ?? []));
  const managed = new Set(web?.managedFiles);
  const known = withoutContradictions(sites.map((site) => ({ ...site, managed: managed.has(site.vhostFile) })));
  return { nginx: web?.server ?? null, database, sites: known, apache, notes };
}

async function lookAtDatabases({
  host,
  databaseSockets,
  databaseAccount,
}: Places): Promise<DiscoveredDatabaseServer | null> {
  for (const socket of databaseSockets) {
    if ((await host.status(socket)) === undefined) continue;
    const address = { name: 'local', kind: 'mariadb' as const, socket, admin: { user: databaseAccount } };
    const server = openDatabaseServer({ address, adminPassword: undefined, host });
    try {
      const { kind } = await server.facts();
      const own = new Set(['information_schema', 'mysql', 'performance_schema', 'sys']);
      return { kind, socket, databases: (await server.databaseNames()).filter((name) => !own.has(name.toLowerCase())) };
    } finally {
      await server.close();
    }
  }
  return null;
}

/** The site of a document root; text that says why it is none. */
async function describeSite(
  host: Host,
  found: ServedSite,
  pools: readonly FpmPool[],
  operation: Operation,
): Promise<DiscoveredSite | string> {
  const [uri, ...aliases] = found.names;
  const file = found.files[0] ?? '';
  if (uri === undefined) return `${file}: the vhost of ${found.root} has no host name that a site can have`;
  if (!found.root.startsWith('/')) return `${file}: the document root of ${uri} is no absolute path: ${found.root}`;
  if (found.root.includes('$')) return `${file}: the document root of ${uri} holds a variable: ${found.root}`;
  const folder = await folderBehind(host, found.root);
  const status = await host.status(folder);
  if (status === undefined) return `${file}: the document root of ${uri} is not there: ${found.root}`;
  const problems: string[] = [];
  const notes: string[] = [];
  if (status.type !== 'folder') {
    return `${file}: the document root of ${uri} is a link to a folder that is not beside it, and a site folder cannot be one: ${found.root}`;
  }
  if (folder !== found.root) notes.push(`its root is a link, which each task follows: to ${folder} now`);
  const named = found.php?.replace(/^unix:(\/.*?):?$/, '$1');
  const socket = fpmSocketSchema.safeParse(named).data ?? null;
  if (found.php === null) problems.push('its vhost sends no PHP to FPM');
  else if (socket === null)
    problems.push(
      `its PHP listens at ${found.php}, and Kedge reaches FPM by a socket, or at a loopback address and port, only`,
    );
  const pool = pools.find(({ listen }) => [socket, found.php, socket?.split(':')[1]].includes(listen));
  const poolOwner = pool?.user ?? null;
  const treeOwner = await accountOf(host, status.uid, operation);
  const name = poolOwner ?? (status.uid === 0 ? null : treeOwner);
  if (name === null)
    problems.push('no pool of FPM was found for it, and its folder belongs to root: who is its owner?');
  if (poolOwner !== null && treeOwner !== poolOwner)
    notes.push(`the folder itself belongs to ${treeOwner ?? `the unknown account ${status.uid}`}`);
  const owner = name === null ? null : await ownerOf(host, name);
  if (name !== null && owner === null) problems.push(`there is no account ${name}`);

  const tree = await recogniseTree(host, folder, owner, operation);
  if (tree === null) return `${file}: nothing of PHP was found in the document root of ${uri}: ${found.root}`;
  const { traces } = siteKindOf(tree);
  const above = tree.settingsFiles.find((path) => path.startsWith('../'));
  if (above !== undefined)
    problems.push(
      `its settings lie above the document root: ${above}; when all of the folder above is the site's, name that as root`,
    );
  else if (traces !== null && tree.settingsFiles.length === 0)
    problems.push(`it has no ${traces.settings}: is ${traces.name} installed?`);
  else if (traces === null && tree.settings === null)
    problems.push(
      tree.settingsFiles.length === 0
        ? 'no settings file that Kedge knows by name was found'
        : `which names its login has was not seen in ${tree.settingsFiles.join(', ')}`,
    );
  if (found.tls) notes.push('its vhost offers TLS');
  for (const other of found.otherNames) notes.push(`a name of the vhost that no site can have: ${other}`);
  return {
    uri,
    aliases,
    kind: tree.kind,
    kindFrom:
      traces === null ? 'It has PHP, and no application that Kedge knows' : `It has the files of ${traces.name}`,
    root: found.root,
    owner: name,
    ownerFrom: poolOwner === null ? 'the owner of the folder' : `the user of FPM's pool ${pool?.name ?? ''}`,
    phpSocket: socket,
    elsewhere: tree.elsewhere,
    settings: tree.settings,
    vhostFile: file,
    managed: false,
    problems,
    notes,
  };
}

/** A discovery for a master that keeps its own files in `data`: no site may hold that folder, or lie in it. */
export function besideFolder(discovery: Discovery, data: string): Discovery {
  const problem = `Kedge's own folder ${data} would lie in it, or it lies there`;
  const sites = discovery.sites.map((site) =>
    `${data}/`.startsWith(`${site.root}/`.replace(/^\/\/$/, '/')) || site.root.startsWith(`${data}/`)
      ? { ...site, problems: [...site.problems, problem] }
      : site,
  );
  return { ...discovery, sites };
}

/** One site a name, and no site in the folder of another: what the configuration would refuse. */
function withoutContradictions(sites: readonly DiscoveredSite[]): DiscoveredSite[] {
  const names = new Map<string, string>();
  return sites.map((site) => {
    const problems = [...site.problems];
    const holder = names.get(site.uri);
    if (holder !== undefined) problems.push(`${site.uri} is a name of ${holder} already`);
    const aliases = [...new Set(site.aliases)].filter((name) => name !== site.uri && !names.has(name));
    const outer = sites.find(({ root }) => root !== site.root && site.root.startsWith(`${root === '/' ? '' : root}/`));
    if (outer) problems.push(`it lies in the folder of ${outer.uri}`);
    if (problems.length === 0) for (const name of [site.uri, ...aliases]) names.set(name, site.uri);
    return { ...site, aliases, problems };
  });
}

async function accountOf(host: Host, uid: number, operation: Operation): Promise<string | null> {
  const { stdout } = await host.run({ argv: ['getent', 'passwd', String(uid)], acceptExitCodes: [0, 2], operation });
  const name = stdout.split(':')[0]?.trim();
  return name === undefined || name === '' ? null : name;
}

async function ownerOf(host: Host, user: string): Promise<Owner | null> {
  try {
    return await host.lookUpOwner(user);
  } catch (error) {
    if (isKedgeError(error)) return null;
    throw error;
  }
}
