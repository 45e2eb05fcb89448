import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { targetOf } from '../../src/config/inventory';
import { parseConfiguration } from '../../src/config/load';

let folder: string;
const site = (uri: string, more: string): string =>
  `  ${uri}: { kind: wordpress, server: master, root: /srv/${uri}, owner: me, php: { socket: /s }, db: master, ${more} }\n`;
const configured = (web: string, ...sites: string[]): string => `master: backup1
backups: /b
state: /s
servers:
  master:
    web: { kind: nginx, vhosts: /v, flags: /f, ${web} }
    db: { kind: mariadb, socket: /d, admin: { user: root } }
sites:
${sites.join('')}`;
const parse = (text: string) => parseConfiguration(text, 'kedge.yaml');

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/kw');
  for (const name of ['server', 'site']) await writeFile(join(folder, name), '');
});
afterAll(() => rm(folder, { recursive: true }));

describe('vhosts in the configuration', () => {
  test.each([
    [
      'a certificate without its key',
      'vhost: managed, tls: { certificate: /c }',
      '9:131: .tls.key: the path of the certificate',
    ],
    [
      'https without a certificate',
      'vhost: managed, redirects: { https: true }',
      '9:144: .redirects.https: a.example has no tls',
    ],
    [
      'TLS of a vhost of somebody else',
      'tls: { certificate: /c, key: /k }',
      '9:115: .tls: only a managed vhost has tls',
    ],
    ['redirects without a vhost', 'vhost: none, redirects: { names: [] }', '9:128: .redirects: only a managed vhost'],
    [
      'a template that does not exist',
      'vhost: managed, vhostTemplate: /none',
      '9:131: .vhostTemplate: there is no template /none',
    ],
    [
      'an include that the owner can write',
      'vhost: managed, vhostInclude: /srv/a.example/n',
      '9:131: .vhostInclude: /srv/a.example/n lies in',
    ],
    ['a mode that does not exist', 'vhost: mine', '9:115: .vhost: '],
    [
      'a relative certificate',
      'vhost: managed, tls: { certificate: c, key: /k }',
      '9:138: .tls.certificate: the path of the certificate',
    ],
  ])('%s', (_what, more, says) => {
    const [place = '', what = ''] = says.split(': .');
    expect(() => parse(configured('', site('a.example', more)))).toThrow(
      expect.objectContaining({
        code: 'ConfigurationInvalid',
        message: expect.stringContaining(`kedge.yaml:${place}: sites.a.example.${what}`) as unknown,
      }),
    );
  });

  test('a template of the server that does not exist', () => {
    expect(() => parse(configured('vhostTemplate: /none', site('a.example', '')))).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('6:48: servers.master.web.vhostTemplate') as unknown,
      }),
    );
  });

  test('a name that leads to two sites', () => {
    const sites = [site('a.example', ''), site('b.example', 'vhost: managed, redirects: { names: [a.example] }')];
    expect(() => parse(configured('', ...sites))).toThrow('a.example is a name of a.example already');
  });

  test('the target has paths and the text of a template, the own one before that of the server', async () => {
    const server = join(folder, 'server');
    const own = join(folder, 'site');
    const tls = { certificate: '/c', key: '/k' };
    const configuration = parse(
      configured(
        `vhostTemplate: ${server}, listenTls: [8443]`,
        site('a.example', 'vhost: managed, tls: { certificate: /c, key: /k }, redirects: { https: true }'),
        site('b.example', `vhost: managed, vhostTemplate: ${own}, vhostInclude: /i`),
        site('c.example', ''),
      ),
    );
    const target = (uri: string) =>
      targetOf(configuration, uri, {
        lookUpOwner: () => Promise.resolve({ user: 'me', uid: 1, gid: 1 }),
        isElsewhere: () => false,
        kindOf: () => ({ defaultExcludes: [] }),
        readTemplate: (path) => Promise.resolve(`text of ${path}`),
      });
    expect((await target('a.example')).site).toMatchObject({
      vhost: 'managed',
      tls,
      redirects: { https: true, names: [] },
      vhostTemplate: { path: server, text: `text of ${server}` },
    });
    expect((await target('b.example')).site).toMatchObject({ vhostTemplate: { path: own }, vhostInclude: '/i' });
    const { site: guest, web } = await target('c.example');
    expect(guest).toMatchObject({ vhost: 'include' });
    expect(guest.vhostTemplate).toBeUndefined();
    expect(web).toMatchObject({ listenTls: [{ address: '*', port: 8443 }] });
    expect(web).not.toHaveProperty('vhostTemplate');
  });
});
