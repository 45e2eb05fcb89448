import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { hostRulesSchema } from '../../src/core/hosts/rules/host-rules';
import { hostRulesOf, hostRulesText } from '../../src/config/host-rules';
import { parseConfiguration } from '../../src/config/load';

const GOOD = parseConfiguration(readFileSync(join(__dirname, 'good.yaml'), 'utf8'), 'good.yaml');

test('what a master may touch on a server is what the configuration has it do there', () => {
  const shop = GOOD.sites['shop.example'];
  if (!shop) throw new Error('the good file has a shop');
  const sites = {
    'shop.example': {
      ...shop,
      vhost: 'managed' as const,
      php: { socket: '/run/php/shop.sock', reload: ['systemctl', 'reload', 'php8.2-fpm'] },
      tls: { certificate: '/etc/tls/shop.pem', key: '/etc/tls/shop.key' },
      redirects: { https: true, names: ['old.example'] },
      hooks: { after: ['notify'] },
    },
    'none.example': {
      ...shop,
      root: '/srv/none',
      owner: 'none',
      vhost: 'none' as const,
      db: 'db1',
      php: { socket: '[::1]:9000' },
    },
  };
  const rules = hostRulesOf({ ...GOOD, sites }, 'master');
  hostRulesSchema.parse(JSON.parse(JSON.stringify(rules)));
  expect(rules).toMatchObject({
    version: 1,
    master: 'backup1',
    sites: [
      { folder: '/srv/shop', owners: ['shop'], staging: '/srv/.kedge', hooks: true },
      { folder: '/srv/none', owners: ['none'], staging: '/srv/.kedge', hooks: false },
    ],
    web: {
      kind: 'nginx',
      vhosts: '/etc/nginx/kedge.d',
      test: ['nginx', '-t'],
      names: ['shop.example', 'www.shop.example', 'old.example'],
      withoutVhost: ['none.example'],
      files: ['/etc/tls/shop.pem', '/etc/tls/shop.key'],
    },
    commands: [['systemctl', 'reload', 'php8.2-fpm']],
    connect: {
      sockets: ['/run/mysqld/mysqld.sock', '/run/php/shop.sock'],
      ports: [
        { host: '::1', port: 9000 },
        { host: '192.0.2.20', port: 3307 },
      ],
    },
  });
});

test('a server of databases alone has neither sites nor a web server', () => {
  expect(hostRulesOf(GOOD, 'db1')).toEqual({
    version: 1,
    master: 'backup1',
    sites: [],
    commands: [],
    connect: { sockets: [], ports: [{ host: '192.0.2.20', port: 3307 }] },
    space: ['/var/lib/mysql'],
  });
});

test('its text is the same each time, and says the same', () => {
  const text = hostRulesText(GOOD, 'master');
  expect(hostRulesText(GOOD, 'master')).toBe(text);
  expect(parse(text)).toEqual(JSON.parse(JSON.stringify(hostRulesOf(GOOD, 'master'))));
  expect(hostRulesSchema.parse(parse(text))).toMatchObject({ version: 1, master: 'backup1' });
  expect(text).toMatch(/^# What the master backup1 of Kedge may touch on this server, master\./);
});
