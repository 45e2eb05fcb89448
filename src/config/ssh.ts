import { join } from 'node:path';
import { KedgeError } from '../contract/errors';
import { nearest } from './nearest';
import type { Configuration, ServerConfiguration } from './schema';

/** How a server that is another machine is reached. */
export interface SshPlace {
  /** Its name in the configuration. */
  readonly server: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFile?: string;
  readonly agent?: string;
  /** Whether what its database server is sent, and sends, is compressed. */
  readonly compress: boolean;
  /** The file of known hosts, on the master. */
  readonly knownHosts: string;
}

/** Where the keys of servers are kept that name no file of their own: beside what else the worker trusts. */
export function defaultKnownHosts({ state }: Pick<Configuration, 'state'>): string {
  return join(state, 'known_hosts');
}

/** How a server is reached; null for the master, and for a name that is no server's. */
export function sshPlaceOf(configuration: Pick<Configuration, 'servers' | 'state'>, server: string): SshPlace | null {
  const ssh = Object.hasOwn(configuration.servers, server) ? configuration.servers[server]?.ssh : undefined;
  if (ssh === undefined) return null;
  const { knownHosts = defaultKnownHosts(configuration), ...rest } = ssh;
  return { server, ...rest, knownHosts };
}

/** Every server that is another machine, by its name. */
export function sshPlacesOf(configuration: Pick<Configuration, 'servers' | 'state'>): ReadonlyMap<string, SshPlace> {
  return new Map(
    Object.keys(configuration.servers).flatMap((server) => {
      const place = sshPlaceOf(configuration, server);
      return place === null ? [] : [[server, place] as const];
    }),
  );
}

/** A server that somebody names, which is another machine. @throws KedgeError ServerUnknown, or UsageInvalid for the master itself */
export function assertSshServer(
  configuration: Pick<Configuration, 'servers' | 'state'>,
  server: string,
): { readonly place: SshPlace; readonly server: ServerConfiguration } {
  const configured = Object.hasOwn(configuration.servers, server) ? configuration.servers[server] : undefined;
  if (!configured) {
    const near = nearest(server, Object.keys(configuration.servers));
    throw new KedgeError('ServerUnknown', `there is no server ${JSON.stringify(server)} in the configuration`, {
      hint: near === null ? 'See `kedge servers`.' : `Did you mean ${near}? See \`kedge servers\`.`,
    });
  }
  const place = sshPlaceOf(configuration, server);
  if (place !== null) return { place, server: configured };
  throw new KedgeError('UsageInvalid', `${server} is this machine: it has no \`ssh:\` in the configuration`, {
    hint: `Where it is another machine, say under servers.${server}.ssh how it is reached.`,
  });
}

/** Why no task begins on a site as its servers are: they are two machines, and it has a socket alone by which to reach its database. Null for all others. */
export function whyUnreached(
  { servers, sites }: Pick<Configuration, 'servers' | 'sites'>,
  uri: string,
): { readonly key: 'db'; readonly message: string; readonly hint: string } | null {
  const site = sites[uri];
  const [web, database] = site === undefined ? [] : [servers[site.server], servers[site.db]];
  if (!site || !web || database?.db?.socket === undefined) return null;
  if (site.server === site.db || (web.ssh === undefined && database.ssh === undefined)) return null;
  return {
    key: 'db',
    message: `the web server of ${uri}, ${site.server}, is another machine than the database server ${site.db}, whose socket it does not reach`,
    hint: `Say servers.${site.db}.db.host, an address that both ${site.server} and ${database.ssh === undefined ? 'the master' : site.db} reach it by, in the place of its socket.`,
  };
}
