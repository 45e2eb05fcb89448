import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { KedgeError } from '../contract/errors';
import type { Owner, SiteLocation, Target, WebServerAddress } from '../contract/target';
import { nearest } from './nearest';
import type { Configuration, SiteConfiguration } from './schema';
import { whyUnreached } from './ssh';

/** @throws KedgeError SiteUnknown, see `unknownSite` */
export function assertKnownSite(configuration: Configuration, uri: string): SiteConfiguration {
  const site = Object.hasOwn(configuration.sites, uri) ? configuration.sites[uri] : undefined;
  if (site) return site;
  throw unknownSite(configuration, uri);
}

/** What is told of a site that is in no configuration, with the name that comes nearest. */
export function unknownSite({ sites }: Pick<Configuration, 'sites'>, uri: string): KedgeError {
  const near = nearest(uri, Object.keys(sites));
  return new KedgeError('SiteUnknown', `there is no site ${JSON.stringify(uri)} in the configuration`, {
    hint: near === null ? 'See `kedge sites`.' : `Did you mean ${near}? See \`kedge sites\`.`,
  });
}

/**
 * The URI of the site that people mean by a name: in whatever case, one of its aliases, one that leads to it, or an address of a
 * page of it. Null when there is none.
 */
export function findSite({ sites }: Pick<Configuration, 'sites'>, name: string): string | null {
  if (Object.hasOwn(sites, name)) return name;
  const host = hostIn(name);
  if (Object.hasOwn(sites, host)) return host;
  const leads = ({ aliases, redirects }: SiteConfiguration): boolean =>
    [...aliases, ...(redirects?.names ?? [])].includes(host);
  return Object.entries(sites).find(([, site]) => leads(site))?.[0] ?? null;
}

/** `https://www.Example.com:8080/about` as `www.example.com`. */
function hostIn(name: string): string {
  const [host = ''] = name.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').split(/[/?#:]/);
  return domainToASCII(host.replace(/\.$/, '')).toLowerCase();
}

/** What a target is made with that no configuration says. */
export interface TargetSources {
  /** On the machine of the site. @throws KedgeError ConfigurationInvalid for an unknown account */
  readonly lookUpOwner: (user: string) => Promise<Owner>;
  /** Whether a server is another machine than the master. */
  readonly isElsewhere: (server: string) => boolean;
  readonly kindOf: (site: SiteLocation) => { readonly defaultExcludes: readonly string[] };
  /** The text of a template of vhosts. */
  readonly readTemplate: (path: string, web: Pick<WebServerAddress, 'kind'>) => Promise<string>;
}

/**
 * Where a task on a site acts, from the configuration as it is now.
 * @throws KedgeError SiteUnknown; ConfigurationInvalid, also for a database that the web server does not reach; what the sources throw
 */
export async function targetOf(
  configuration: Configuration,
  uri: string,
  { lookUpOwner, isElsewhere, kindOf, readTemplate }: TargetSources,
): Promise<Target> {
  const site = assertKnownSite(configuration, uri);
  const unreached = whyUnreached(configuration, uri);
  if (unreached !== null)
    throw new KedgeError('ConfigurationInvalid', unreached.message, {
      site: uri,
      state: 'nothing was touched',
      hint: unreached.hint,
    });
  const web = configuration.servers[site.server]?.web;
  const database = configuration.servers[site.db]?.db;
  // `loadConfiguration` has refused a site whose servers do not exist.
  if (!web || !database)
    throw new KedgeError('ConfigurationInvalid', `the servers of ${uri} are not configured`, { site: uri });
  const template = site.vhost === 'managed' ? (site.vhostTemplate ?? web.vhostTemplate) : undefined;
  const location: SiteLocation = {
    uri,
    aliases: site.aliases,
    kind: site.kind,
    root: site.root,
    ...(site.paths === undefined ? {} : { paths: site.paths }),
    owner: await lookUpOwner(site.owner),
    ...(site.settings === undefined ? {} : { settings: site.settings }),
    ...(site.furtherSettings === undefined ? {} : { furtherSettings: site.furtherSettings }),
    phpSocket: site.php.socket,
    ...(site.php.reload === undefined ? {} : { phpReload: site.php.reload }),
    vhost: site.vhost,
    ...(site.tls === undefined ? {} : { tls: site.tls }),
    ...(site.redirects === undefined ? {} : { redirects: site.redirects }),
    ...(template === undefined ? {} : { vhostTemplate: { path: template, text: await readTemplate(template, web) } }),
    ...(site.vhostInclude === undefined ? {} : { vhostInclude: site.vhostInclude }),
    healthPath: site.healthPath,
    ...(site.probe === undefined ? {} : { probe: site.probe }),
    exclude: site.exclude ?? [],
  };
  return {
    version: 3,
    master: configuration.master,
    site: { ...location, exclude: site.exclude ?? [...kindOf(location).defaultExcludes] },
    web: { name: site.server, ...addressOf(web) },
    database: { name: site.db, ...database },
    elsewhere: { web: isElsewhere(site.server), database: isElsewhere(site.db) },
    backups: join(configuration.backups, uri),
    spool: configuration.spool ?? join(configuration.state, 'spool'),
    maintenanceLimitMs: site.maintenanceLimit,
    hooks: site.hooks,
  };
}

type WebConfiguration = NonNullable<Configuration['servers'][string]['web']>;

function addressOf({ vhostTemplate: _ofSites, ...address }: WebConfiguration): Omit<WebConfiguration, 'vhostTemplate'> {
  return address;
}
