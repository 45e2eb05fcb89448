import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { endOverdue } from '../../src/core/flags/end-overdue';
import type { Lab } from './e2e';
import { MappedHost } from './mapped-host';
import { testOperation } from './operation';

/** Starts a server in a mount namespace of its own: there the paths of another machine can be what they are on it. */
export const IN_A_NAMESPACE = ['unshare', '--mount', '--'] as const;

const WEB_SERVER = 'web1';

/** A lab whose web server is another machine than its master. */
export interface TwoHosts {
  readonly web: MappedHost;
  /** The lab as whoever looks at the web server's machine finds it. */
  readonly there: Lab;
}

/**
 * Moves what a web server has (sites, vhosts, flags) to a machine of its own, also for nginx and PHP, which run in namespaces. The
 * master has empty folders in their place, of nobody else's.
 */
export async function placeOnTwoHosts(lab: Lab): Promise<TwoHosts> {
  const folder = join(lab.folder, WEB_SERVER);
  const web = new MappedHost(WEB_SERVER, folder);
  const pids = ['nginx.pid', 'php-fpm.pid'].map((name) => readFileSync(join(lab.folder, name), 'utf8').trim());
  for (const path of foldersOfWebServer(lab)) {
    mkdirSync(dirname(web.at(path)), { recursive: true, mode: 0o755 });
    renameSync(path, web.at(path));
    mkdirSync(path, { mode: 0o700 });
    for (const pid of pids)
      execFileSync('nsenter', ['--mount', `--target=${pid}`, '--', 'mount', '--bind', web.at(path), path]);
  }
  // What local programs of the site reach: the same sockets, on that machine.
  for (const socket of [lab.mariadb.socket, ...lab.sites.map((_, at) => lab.phpFpm.socketOf(`pool${at}`))]) {
    mkdirSync(dirname(web.at(socket)), { recursive: true, mode: 0o755 });
    linkSync(socket, web.at(socket));
  }
  await looksForOverdue(web, lab.nginx.address.flags);
  const [nginx = ''] = pids;
  const there = (command: readonly string[]): string[] => ['nsenter', '--mount', `--target=${nginx}`, '--', ...command];
  const { servers, sites, ...rest } = parse(readFileSync(lab.configuration, 'utf8')) as Written;
  const { web: webServer, db } = servers['master'] ?? {};
  writeFileSync(
    lab.configuration,
    stringify({
      ...rest,
      servers: {
        [WEB_SERVER]: {
          web: { ...webServer, test: there(lab.nginx.address.test), reload: there(lab.nginx.address.reload) },
        },
        master: { db },
      },
      sites: Object.fromEntries(Object.entries(sites).map(([uri, site]) => [uri, { ...site, server: WEB_SERVER }])),
    }),
  );
  return { web, there: seenOn(web, lab) };
}

const LOOK_MS = 30_000;

/** What a timer does on a machine with a `kedge-host`, for as long as this process lives. */
async function looksForOverdue(host: MappedHost, flags: string): Promise<void> {
  const look = () => endOverdue({ host, flags, sites: host }, testOperation());
  await look();
  // The lab may be gone by then.
  setInterval(() => void look().catch(() => undefined), LOOK_MS).unref();
}

interface Written {
  readonly servers: Record<string, { web?: object; db?: object }>;
  readonly sites: Record<string, object>;
}

function foldersOfWebServer(lab: Lab): string[] {
  return [join(lab.folder, 'srv'), lab.nginx.address.vhosts, lab.nginx.address.flags];
}

function seenOn(web: MappedHost, lab: Lab): Lab {
  const { vhosts, flags } = lab.nginx.address;
  const address = { ...lab.nginx.address, vhosts: web.at(vhosts), flags: web.at(flags) };
  return {
    ...lab,
    folder: web.at(lab.folder),
    nginx: { ...lab.nginx, address },
    sites: lab.sites.map((site) => ({ ...site, root: web.at(site.root) })),
  };
}

/** What lies where the other machine alone has something; empty when nobody took one machine for the other. */
export function onTheWrongHost(lab: Lab, { web }: TwoHosts): string[] {
  const ofTheWeb = [...foldersOfWebServer(lab), lab.mariadb.socket];
  const allowed = new Set(ofTheWeb.map((path) => path.slice(lab.folder.length + 1).split('/')[0] ?? ''));
  const sockets = lab.sites.map((_, at) => `pool${at}.sock`);
  const strange = readdirSync(web.at(lab.folder)).filter((name) => !allowed.has(name) && !sockets.includes(name));
  const misplaced = foldersOfWebServer(lab).flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  return [...misplaced, ...strange.map((name) => web.at(join(lab.folder, name)))];
}
