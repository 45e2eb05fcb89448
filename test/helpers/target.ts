import { join } from 'node:path';
import type { SiteLocation, Target, WebServerAddress } from '../../src/contract/target';

/** A small site without a vhost: nobody is asked for it. */
export function siteLocation(changes: Partial<SiteLocation> = {}): SiteLocation {
  return {
    uri: 'shop.example',
    aliases: [],
    kind: 'php',
    root: '/srv/shop',
    owner: { user: 'root', uid: 0, gid: 0 },
    phpSocket: '/run/php.sock',
    vhost: 'none',
    healthPath: '/',
    exclude: [],
    ...changes,
  };
}

/** A web server that takes every configuration. */
export function webServerAddress(changes: Partial<WebServerAddress> = {}): WebServerAddress {
  return {
    name: 'web',
    kind: 'nginx',
    vhosts: '/etc/nginx/kedge.d',
    flags: '/var/lib/kedge-web',
    test: ['true'],
    reload: ['true'],
    listen: [{ address: '127.0.0.1', port: 80 }],
    ...changes,
  };
}

/** Where a task acts on a site whose servers, backups and spool are below `folder`; none of them has to be there. */
export function targetIn(
  folder: string,
  { site = {}, ...changes }: Partial<Omit<Target, 'site'>> & { readonly site?: Partial<SiteLocation> } = {},
): Target {
  const location = siteLocation({ root: join(folder, 'srv/shop'), phpSocket: join(folder, 'php.sock'), ...site });
  return {
    version: 3,
    master: 'master',
    site: location,
    web: webServerAddress({ vhosts: join(folder, 'vhosts'), flags: join(folder, 'flags') }),
    database: { name: 'db', kind: 'mariadb', socket: join(folder, 'mariadb.sock'), admin: { user: 'root' } },
    elsewhere: { web: false, database: false },
    backups: join(folder, 'backups', location.uri),
    spool: join(folder, 'state/spool'),
    maintenanceLimitMs: 900_000,
    hooks: {},
    ...changes,
  };
}
