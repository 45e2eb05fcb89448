import { type SiteRoot, SITE_FOLDER, rootsOf } from '../contract/target';
import { isSigned, selectionOfSchedule } from './backup-run';
import { keepRuleOf } from './keep-rules';
import { nearest } from './nearest';
import type { Configuration, ScheduleConfiguration, SiteConfiguration } from './schema';
import { hasWildcard, selectSites, selectionText, unknownNames } from './selection';

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

    // Files of another machine are looked at there.
    const existsThere = server?.ssh === undefined ? exists : () => true;
    for (const { key, message } of vhostContradictions(uri, site, existsThere)) say(['sites', uri, ...key], message);
    for (const name of [uri, ...site.aliases, ...(site.redirects?.names ?? [])]) {
      const holder = names.get(name);
      if (holder !== undefined) say(['sites', uri], `${name} is a name of ${holder} already`);
      names.set(name, uri);
    }
    for (const { key, message } of folderContradictions(uri, site, configuration)) say(key, message);
    for (const { key, message } of insideContradictions(site)) say(['sites', uri, ...key], message);
  }
  for (const { key, message } of receiverContradictions(configuration)) say(['notify', ...key], message);
  for (const [name, schedule] of Object.entries(configuration.schedules))
    for (const { key, message } of scheduleContradictions(configuration, schedule))
      say(['schedules', name, ...key], message);
  for (const [name, { ssh, web, limit }] of Object.entries(configuration.servers)) {
    if (limit !== undefined && ssh === undefined)
      say(
        ['servers', name, 'limit'],
        `${name} is the master itself, of which \`limits\` says how much it does at one time`,
      );
    const template = web?.vhostTemplate;
    if (template !== undefined && ssh === undefined && !exists(template))
      say(['servers', name, 'web', 'vhostTemplate'], `there is no template ${template}`);
    // Another machine has addresses of its own.
    if (web && ssh === undefined && listensAt(web, configuration.metrics?.listen))
      say(['metrics', 'listen'], `the web server of ${name} listens at this address and port`);
  }
  for (const { key, message } of sshContradictions(configuration)) say(['servers', ...key], message);
  return found;
}

/** One machine by two names, and keys that an owner of a site could exchange. */
function sshContradictions(configuration: Configuration): { key: readonly string[]; message: string }[] {
  const found: { key: readonly string[]; message: string }[] = [];
  const machines = new Map<string, string>();
  for (const [name, { ssh }] of Object.entries(configuration.servers)) {
    if (ssh === undefined) continue;
    const machine = `${ssh.host.toLowerCase()} ${ssh.port}`;
    const holder = machines.get(machine);
    if (holder === undefined) machines.set(machine, name);
    else
      found.push({
        key: [name, 'ssh', 'host'],
        message: `${ssh.host} port ${ssh.port} is the server ${holder} already: one server may have both web and db`,
      });
    for (const key of ['identityFile', 'agent', 'knownHosts'] as const) {
      const path = ssh[key];
      if (path === undefined) continue;
      for (const [uri, site] of Object.entries(configuration.sites))
        if (
          configuration.servers[site.server]?.ssh === undefined &&
          rootsOf(site).some((root) => contains(root.path, path))
        )
          found.push({
            key: [name, 'ssh', key],
            message: `${path} lies in the folder of the site ${uri}, whose owner could exchange it`,
          });
    }
  }
  return found;
}

/** Receivers of the same name, and sites that there are not. */
function receiverContradictions({ notify, sites }: Configuration): { key: readonly string[]; message: string }[] {
  const names = new Set<string>();
  return notify.flatMap((receiver, at) => {
    const found = (receiver.sites ?? [])
      .filter((site) => sites[site] === undefined)
      .map((site) => ({ key: [String(at), 'sites'], message: `there is no site ${site}` }));
    const { name } = receiver;
    if (name !== undefined && names.has(name))
      found.push({ key: [String(at), 'name'], message: `another receiver is called ${name} already` });
    if (name !== undefined) names.add(name);
    return found;
  });
}

/** A schedule that could do nothing, or not all of what it says. */
function scheduleContradictions(
  configuration: Configuration,
  schedule: ScheduleConfiguration,
): { key: readonly string[]; message: string }[] {
  const selection = selectionOfSchedule(schedule);
  const found: { key: readonly string[]; message: string }[] = [];
  const unknown = unknownNames(configuration, selection);
  for (const [at, name] of (schedule.sites ?? []).entries()) {
    if (unknown.includes(name)) {
      const near = nearest(name, Object.keys(configuration.sites));
      const meant = near === null ? '' : `; did you mean ${near}?`;
      found.push({ key: ['sites', String(at)], message: `there is no site ${name}${meant}` });
    } else if (hasWildcard(name) && selectSites(configuration, { sites: [name] }).length === 0)
      found.push({ key: ['sites', String(at)], message: `there is no site that ${name} means` });
  }
  const { server } = schedule;
  if (server !== undefined && !Object.hasOwn(configuration.servers, server))
    found.push({ key: ['server'], message: `there is no server ${server}` });
  if (isSigned(configuration))
    found.push({ key: [], message: 'nobody signs what it asks for, and requests.sign demands that of backups' });
  if (found.length > 0) return found;
  const sites = selectSites(configuration, selection);
  // A configuration without any site is one that is being begun.
  if (sites.length === 0 && Object.keys(configuration.sites).length > 0)
    found.push({ key: [], message: `no site is meant by: ${selectionText(selection)}` });
  if (schedule.prune && sites.every((site) => keepRuleOf(configuration, site) === null))
    found.push({ key: ['prune'], message: 'nothing says which backups to keep: `keep` is missing' });
  return found;
}

type WebConfiguration = NonNullable<Configuration['servers'][string]['web']>;
type Endpoint = NonNullable<Configuration['metrics']>['listen'];

/** Whether vhosts listen at an address, or where one of both means every address. */
function listensAt({ listen, listenTls }: WebConfiguration, endpoint: Endpoint | undefined): boolean {
  if (endpoint === undefined) return false;
  const bare = (address: string): string => address.replace(/^\[(.*)\]$/, '$1');
  const everywhere = (address: string): boolean => ['*', '0.0.0.0', '::'].includes(bare(address));
  return [...listen, ...listenTls].some(
    ({ address, port }) =>
      port === endpoint.port &&
      (bare(address) === endpoint.address || everywhere(address) || everywhere(endpoint.address)),
  );
}

/** Folders that lie in each other: a restore would rename one under the hands of the other. */
function folderContradictions(
  uri: string,
  site: SiteConfiguration,
  configuration: Configuration,
): { key: readonly string[]; message: string }[] {
  const found: { key: readonly string[]; message: string }[] = [];
  const roots = rootsOf(site);
  for (const own of roots) {
    const say = (message: string): void => void found.push({ key: ['sites', uri, ...keyOf(own)], message });
    for (const [other, theirs] of Object.entries(configuration.sites)) {
      // On another server the same path is another folder.
      if (other === uri || theirs.server !== site.server) continue;
      if (rootsOf(theirs).some(({ path }) => contains(path, own.path)))
        say(`${own.path} lies in the folder of ${other}`);
    }
    for (const { name, path } of roots) {
      if (name === own.name) continue;
      if (contains(path, own.path))
        say(
          `${own.path} lies in ${name === SITE_FOLDER ? 'the site folder' : `the declared path ${name}`}, and is backed up with it`,
        );
    }
    // Another machine has none of the master's folders.
    if (configuration.servers[site.server]?.ssh !== undefined) continue;
    for (const key of ['backups', 'state', 'spool'] as const) {
      const folder = configuration[key];
      if (folder !== undefined && contains(own.path, folder))
        found.push({ key: [key], message: `${folder} lies in the folder of the site ${uri}` });
      if (folder !== undefined && contains(folder, own.path)) say(`${own.path} lies in the ${key} folder`);
    }
  }
  return found;
}

/** Absolute paths that lead into no declared path. */
function insideContradictions(site: SiteConfiguration): { key: readonly string[]; message: string }[] {
  const declared = Object.values(site.paths ?? {});
  const isOutside = (path: string): boolean =>
    path.startsWith('/') && !declared.some((folder) => path.startsWith(`${folder}/`));
  const found: { key: readonly string[]; message: string }[] = [];
  for (const pattern of site.exclude ?? [])
    if (isOutside(pattern))
      found.push({
        key: ['exclude'],
        message: `${pattern} lies in no declared path; patterns without a slash at their begin are relative to the site folder`,
      });
  if (site.settings !== undefined && isOutside(site.settings.file))
    found.push({
      key: ['settings', 'file'],
      message: `${site.settings.file} lies in no declared path; within the site folder its path is relative`,
    });
  for (const [at, { file }] of (site.furtherSettings ?? []).entries())
    if (isOutside(file))
      found.push({
        key: ['furtherSettings', String(at), 'file'],
        message: `${file} lies in no declared path; within the site folder its path is relative`,
      });
  return found;
}

/** Where a folder stands in the configuration of its site. */
function keyOf({ name }: SiteRoot): string[] {
  return name === SITE_FOLDER ? ['root'] : ['paths', name];
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
  if (site.vhostInclude !== undefined && /[*?[].*\//.test(site.vhostInclude))
    say(['vhostInclude'], `${site.vhostInclude} has wildcards in the name of a folder, which may be anybody's`);
  for (const key of ['vhostInclude', 'vhostTemplate'] as const) {
    const path = site[key];
    if (path !== undefined && rootsOf(site).some((root) => contains(root.path, path)))
      say([key], `${path} lies in the folder of the site, whose owner would configure the web server`);
  }
  return found;
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}
