import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findContradictions } from '../../src/config/contradictions';
import { parseConfiguration } from '../../src/config/load';
import type { Configuration } from '../../src/config/schema';

const GOOD = parseConfiguration(readFileSync(join(__dirname, 'good.yaml'), 'utf8'), 'good.yaml');

interface Placed {
  readonly server: string;
  readonly root: string;
  readonly paths?: Record<string, string>;
}

/** What is said of two sites that lie so. */
function said(shop: Placed, app: Placed, more: Partial<Configuration> = {}): string[] {
  const { master } = GOOD.servers;
  const site = (uri: string, placed: Placed) => {
    const { paths: _paths, vhostInclude: _include, exclude: _exclude, ...rest } = GOOD.sites[uri] ?? {};
    return { ...rest, ...placed };
  };
  const configuration = {
    ...GOOD,
    ...more,
    servers: { ...GOOD.servers, ...more.servers, ...(master && { web1: master, web2: master }) },
    sites: { 'shop.example': site('shop.example', shop), 'app.example': site('app.example', app) },
  } as Configuration;
  return findContradictions(configuration, () => true).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('folders of two sites', () => {
  test.each([
    ['the same', '/srv/x', '/srv/x'],
    ['one in the other', '/srv/x', '/srv/x/y'],
    ['one in /', '/', '/srv/b'],
  ])('%s: refused on one server, and two folders on two', (_, shop, app) => {
    expect(said({ server: 'web1', root: shop }, { server: 'web1', root: app })).toContain(
      `sites.app.example.root: ${app} lies in the folder of shop.example`,
    );
    if (shop !== '/') expect(said({ server: 'web1', root: shop }, { server: 'web2', root: app })).toEqual([]);
  });

  test('declared paths are judged as site folders are', () => {
    const shop = { server: 'web1', root: '/srv/shop', paths: { files: '/media/files' } };
    const app = { root: '/srv/app', paths: { files: '/media/files/app' } };
    expect(said(shop, { ...app, server: 'web1' })).toEqual([
      'sites.app.example.paths.files: /media/files/app lies in the folder of shop.example',
    ]);
    expect(said(shop, { ...app, server: 'web2' })).toEqual([]);
  });

  test('names that begin alike are two folders', () => {
    expect(said({ server: 'web1', root: '/srv/x' }, { server: 'web1', root: '/srv/x2' })).toEqual([]);
  });
});

test("the master's own folders lie in no site, on whichever server, and / holds them all", () => {
  for (const server of ['web1', 'web2'])
    expect(said({ server, root: '/' }, { server: 'web1', root: '/srv/app' })).toEqual(
      expect.arrayContaining([expect.stringMatching(/^state: .* lies in the folder of the site shop.example$/)]),
    );
  expect(said({ server: 'web1', root: '/srv/shop' }, { server: 'web1', root: '/srv/app' }, { backups: '/' })).toContain(
    'sites.app.example.root: /srv/app lies in the backups folder',
  );
});

describe('a server that is another machine', () => {
  const place = { port: 22, compress: false, user: 'root', identityFile: '/etc/kedge/key' };
  const far = (host: string, more: object = {}) => ({ ...GOOD.servers['master'], ssh: { ...place, host, ...more } });
  const saidWith = (servers: object, shop: Placed = { server: 'master', root: '/srv/x' }) =>
    said(
      shop,
      { server: 'master', root: '/srv/y' },
      {
        servers: { ...GOOD.servers, ...servers },
      },
    );

  test('has one name', () => {
    expect(saidWith({ far1: far('web.example'), far2: far('web.example', { port: 2222 }) })).toEqual([]);
    expect(saidWith({ far1: far('web.example'), far2: far('WEB.example', { user: 'kedge' }) })).toEqual([
      'servers.far2.ssh.host: WEB.example port 22 is the server far1 already: one server may have both web and db',
    ]);
  });

  test.each(['identityFile', 'knownHosts', 'agent'])('has no %s in the folder of a site', (key) => {
    expect(saidWith({ far: far('web.example', { [key]: '/srv/x/file' }) })).toEqual([
      `servers.far.ssh.${key}: /srv/x/file lies in the folder of the site shop.example, whose owner could exchange it`,
    ]);
    // There it is another folder.
    const there = saidWith({ far: far('web.example', { [key]: '/srv/x/file' }) }, { server: 'far', root: '/srv/x' });
    expect(there).toEqual([]);
  });

  test('has none of the folders and addresses of the master', () => {
    const shop = { server: 'far', root: GOOD.state };
    const metrics = { listen: { address: '127.0.0.1', port: 80 } };
    const app = { server: 'far', root: '/srv/y' };
    expect(said(shop, app, { metrics, servers: { ...GOOD.servers, far: far('web.example') } })).toEqual(
      said({ server: 'web1', root: '/srv/x' }, { server: 'web1', root: '/srv/y' }, { metrics }),
    );
  });
});

describe('the address of the metrics', () => {
  /** Web servers of the good file listen at 80 and 443 of all addresses. */
  const saidOf = (address: string, port: number): string[] =>
    said(
      { server: 'web1', root: '/srv/x' },
      { server: 'web2', root: '/srv/y' },
      { metrics: { listen: { address, port } } },
    );

  test('is none that vhosts listen at', () => {
    expect(saidOf('127.0.0.1', 80)).toContain(
      'metrics.listen: the web server of web1 listens at this address and port',
    );
    expect(saidOf('::1', 443)).toContain('metrics.listen: the web server of web2 listens at this address and port');
    expect(saidOf('0.0.0.0', 80).length).toBeGreaterThan(0);
    expect(saidOf('127.0.0.1', 9464)).toEqual([]);
  });
});

test('without a word about it there are neither metrics nor versions', () => {
  expect(GOOD).toMatchObject({ worker: { versioning: false } });
  expect(GOOD.metrics).toBeUndefined();
  const text = readFileSync(join(__dirname, 'good.yaml'), 'utf8');
  const { metrics } = parseConfiguration(`${text}\nmetrics: { listen: '[::1]:9464' }\n`, 'good.yaml');
  expect(metrics).toEqual({ listen: { address: '::1', port: 9464 } });
});
