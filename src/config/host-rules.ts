import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { rootsOf } from '../contract/target';
import type { Configuration } from './schema';

/** An address that is connected to from a server. */
interface Port {
  readonly host: string;
  readonly port: number;
}

/** What of a server's folders no configuration says. */
export interface SeenFolders {
  /** Where what is restored into a folder waits. */
  readonly staging: (folder: string) => string;
  /** Accounts that files there belong to, beside the owner of the site. */
  readonly owners: (folder: string) => readonly string[];
}

/** Where packages put the data of a database server, and its binary log. */
const USUAL_DATA = '/var/lib/mysql';

const UNSEEN: SeenFolders = { staging: (folder) => join(dirname(folder), '.kedge'), owners: () => [] };

/**
 * What the configuration has a master do on a server, as `/etc/kedge/host.yaml` of that server says what the master may do: folders, owners,
 * sockets, commands. Files on the server stand there as the configuration names them.
 */
export function hostRulesOf(
  { master, servers, sites }: Configuration,
  name: string,
  { staging, owners }: SeenFolders = UNSEEN,
): Readonly<Record<string, unknown>> {
  const server = servers[name];
  const here = Object.entries(sites).filter(([, site]) => site.server === name);
  const sockets = new Set<string>();
  const ports = new Map<string, Port>();
  const addPort = (host: string, port: number): void => void ports.set(`${host} ${port}`, { host, port });
  const addDatabase = (db: NonNullable<typeof server>['db']): void => {
    if (db?.socket !== undefined) sockets.add(db.socket);
    if (db?.host !== undefined) addPort(db.host, db.port ?? 3306);
  };
  addDatabase(server?.db);
  for (const [, site] of here) {
    const { socket } = site.php;
    const [, host, port] = /^\[?([^/\]]+)\]?:(\d+)$/.exec(socket) ?? [];
    if (host !== undefined) addPort(host, Number(port));
    else sockets.add(socket);
    // The login of a site is tried from where its PHP runs.
    addDatabase(servers[site.db]?.db);
  }
  const web = server?.web;
  const managed = here.filter(([, { vhost }]) => vhost !== 'none');
  const withoutVhost = here.flatMap(([uri, { vhost }]) => (vhost === 'none' ? [uri] : []));
  return {
    version: 1,
    master,
    sites: here.flatMap(([, site]) =>
      rootsOf(site).map(({ path }) => ({
        folder: path,
        owners: distinct([site.owner, ...owners(path)]),
        staging: staging(path),
        hooks: Object.values(site.hooks).some((hook) => hook !== undefined),
      })),
    ),
    ...(web
      ? {
          web: {
            kind: web.kind,
            vhosts: web.vhosts,
            flags: web.flags,
            test: web.test,
            reload: web.reload,
            names: managed.flatMap(([uri, { aliases, redirects }]) => [uri, ...aliases, ...(redirects?.names ?? [])]),
            ...(withoutVhost.length > 0 ? { withoutVhost } : {}),
            listen: web.listen,
            listenTls: web.listenTls,
            files: distinct(managed.flatMap(([, { tls, vhostInclude }]) => [tls?.certificate, tls?.key, vhostInclude])),
            templates: distinct([web.vhostTemplate, ...managed.map(([, { vhostTemplate }]) => vhostTemplate)]),
          },
        }
      : {}),
    commands: distinct(here.map(([, { php }]) => php.reload && JSON.stringify(php.reload))).map(
      (text) => JSON.parse(text) as unknown,
    ),
    connect: { sockets: [...sockets], ports: [...ports.values()] },
    ...(server?.db ? { space: [USUAL_DATA] } : {}),
  };
}

function distinct(texts: readonly (string | undefined)[]): string[] {
  return [...new Set(texts.filter((text) => text !== undefined))];
}

const FILE_HEAD = (
  master: string,
  name: string,
): string => `# What the master ${master} of Kedge may touch on this server, ${name}. Whatever is not named here does not exist for it.
# Written by \`kedge servers prepare ${name}\` from the configuration of the master, which writes it anew when that has changed.
`;

/** As {@link hostRulesOf}, as the text of the file. The same configuration gives the same text. */
export function hostRulesText(...[configuration, name, seen]: Parameters<typeof hostRulesOf>): string {
  return FILE_HEAD(configuration.master, name) + stringify(hostRulesOf(configuration, name, seen));
}
