import { parse, stringify } from 'yaml';
import { loadConfiguration, parseConfiguration } from '../../src/config/load';
import { configurationJsonSchema } from '../../src/config/schema';
import type { KedgeError } from '../../src/contract/errors';

const SOUND = `master: backup1
backups: /var/lib/kedge/backups
state: /var/lib/kedge/state
servers:
  master:
    web: { kind: nginx, vhosts: /etc/nginx/kedge.d, flags: /var/lib/kedge-web }
    db: { kind: mariadb, socket: /run/mysqld/mysqld.sock, admin: { user: root } }
  files:
    web: { kind: nginx, vhosts: /etc/nginx/kedge.d, flags: /var/lib/kedge-web }
sites:
  shop.example: { kind: wordpress, server: master, root: /srv/shop, owner: shop, php: { socket: /run/php/shop.sock }, db: master }
  blog.example:
    { kind: wordpress, server: master, root: /srv/blog, owner: blog, php: { socket: /run/php/blog.sock }, db: master }
`;

/** The problems of a configuration that must be refused, as places and words. */
function problemsOf(text: string): string[] {
  try {
    parseConfiguration(text, 'kedge.yaml');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ConfigurationInvalid' });
    return (error as KedgeError).message.split('\n');
  }
  throw new Error('the configuration was taken');
}

it('takes what is right, and fills in what was left out', () => {
  const { servers, sites } = parseConfiguration(SOUND, 'kedge.yaml');
  expect(servers['master']?.web).toMatchObject({
    test: ['nginx', '-t'],
    reload: ['systemctl', 'reload', 'nginx'],
    listen: [
      { address: '*', port: 80 },
      { address: '[::]', port: 80 },
    ],
  });
  expect(sites['shop.example']).toMatchObject({
    vhost: 'include',
    healthPath: '/',
    aliases: [],
    maintenanceLimit: 900_000,
  });
});

it.each<[string, string | RegExp, string, string]>([
  ['an unknown key', 'state:', 'bakcups: /x\nstate:', '3:1: bakcups: unknown key; did you mean backups?'],
  ['a key nobody can guess', 'state:', 'zzzzzzzz: /x\nstate:', '3:1: zzzzzzzz: unknown key'],
  ['a key of a later release', 'state:', 'platforms: {}\nstate:', '3:1: platforms: platforms are not supported yet'],
  ['hooks', 'owner: shop', 'hooks: {}, owner: shop', '11:69: sites.shop.example.hooks: hooks are not supported yet'],
  ['a relative folder', 'state: /var', 'state: var', '3:1: state: an absolute path without a slash at its end'],
  ['a folder that ends in a slash', '/srv/shop', '/srv/shop/', '11:52: sites.shop.example.root: an absolute path'],
  [
    'a server that does not exist',
    'server: master',
    'server: web9',
    '11:36: sites.shop.example.server: there is no server web9',
  ],
  ['a server without database', 'db: master', 'db: files', '11:119: sites.shop.example.db: the server files has no db'],
  ['an unknown kind', 'kind: wordpress', 'kind: joomla', '11:19: sites.shop.example.kind: '],
  [
    'plain PHP without settings',
    'kind: wordpress',
    'kind: php',
    'settings: a site of kind php says where its settings are',
  ],
  [
    'a password in the clear',
    '{ user: root }',
    '{ user: root, password: secret }',
    '7:80: servers.master.db.admin.password: a reference to a secret, { file: … } or { env: … }, not the secret itself',
  ],
  [
    'two sites in one folder',
    '/srv/blog',
    '/srv/shop',
    'sites.blog.example.root: /srv/shop lies in the folder of shop.example',
  ],
  [
    'a site in the folder of another',
    '/srv/blog',
    '/srv/shop/blog',
    'root: /srv/shop/blog lies in the folder of shop.example',
  ],
  [
    'backups in the folder of a site',
    '/var/lib/kedge/backups',
    '/srv/shop/backups',
    '2:1: backups: /srv/shop/backups lies in',
  ],
  ['a site in the state folder', '/srv/blog', '/var/lib/kedge/state/blog', 'lies in the state folder'],
  [
    'an alias that is a site',
    'owner: shop',
    'aliases: [blog.example], owner: shop',
    'blog.example is a name of shop.example already',
  ],
  ['a site that is no host name', 'blog.example:', '../etc:', ': a host name in lower case'],
  ['a site in upper case', 'blog.example:', 'Blog.Example:', ': a host name in lower case'],
  [
    'a duration without unit',
    'owner: shop',
    'maintenanceLimit: "15", owner: shop',
    'a duration such as 90s, 15m or 2h, not "15"',
  ],
  ['a port that is none', 'flags:', 'listen: ["127.0.0.1:99999"], flags:', 'an address such as 80, 127.0.0.1:8080'],
  ['socket and host', 'socket: /run/mysqld/mysqld.sock', 'socket: /s, host: h', 'either socket, or host and port'],
  [
    'settings outside the site',
    'kind: wordpress',
    'kind: php, settings: { file: ../x, format: env, names: { database: a, user: b, password: c, host: d } }',
    'settings.file: ',
  ],
  [
    'a certificate without its key',
    'owner: shop',
    'vhost: managed, tls: { certificate: /c.pem }, owner: shop',
    "11:85: sites.shop.example.tls.key: the path of the certificate's key",
  ],
  [
    'https without a certificate',
    'owner: shop',
    'vhost: managed, redirects: { https: true }, owner: shop',
    '11:98: sites.shop.example.redirects.https: shop.example has no tls: https would lead nowhere',
  ],
  [
    "TLS of somebody else's vhost",
    'owner: shop',
    'vhost: include, tls: { certificate: /c.pem, key: /k.pem }, owner: shop',
    'sites.shop.example.tls: only a managed vhost has tls, and vhost of shop.example is include',
  ],
  [
    'a template that does not exist',
    'owner: shop',
    'vhost: managed, vhostTemplate: /none.mustache, owner: shop',
    'sites.shop.example.vhostTemplate: there is no template /none.mustache',
  ],
  [
    'a template of the server that does not exist',
    'flags:',
    'vhostTemplate: /none.mustache, flags:',
    '6:53: servers.master.web.vhostTemplate: there is no template /none.mustache',
  ],
  [
    'an included file that the owner of the site can write',
    'owner: shop',
    'vhost: managed, vhostInclude: /srv/shop/nginx.conf, owner: shop',
    'vhostInclude: /srv/shop/nginx.conf lies in the folder of the site',
  ],
  [
    'a redirect from a name of another site',
    'owner: blog',
    'vhost: managed, redirects: { names: [shop.example] }, owner: blog',
    'shop.example is a name of shop.example already',
  ],
  ['an unknown mode', 'owner: shop', 'vhost: mine, owner: shop', '11:69: sites.shop.example.vhost: '],
  ['a key twice', 'backups:', 'master: again\nbackups:', '2:1: '],
  ['no YAML', 'servers:', 'servers: [', 'kedge.yaml:'],
])('%s', (_what, part, replacement, says) => {
  const text = SOUND.replace(part, replacement);
  expect(text).not.toBe(SOUND);
  const problems = problemsOf(text);
  expect(problems.join('\n')).toContain(says);
  for (const problem of problems) expect(problem).toMatch(/^kedge\.yaml:\d+:\d+: /);
  expect(problems.join('\n')).not.toContain('password: secret');
});

it.each([
  ['', 'the file'],
  ['[]', 'the file'],
  ['just text', 'the file'],
  ['null', 'the file'],
])('a document that is %j', (text, says) => {
  expect(problemsOf(text).join('\n')).toContain(says);
});

it('names every problem at once', () => {
  const text = SOUND.replace('kind: nginx', 'kind: iis')
    .replace('owner: shop', 'owner: ""')
    .replace('master: backup1', 'master: "A B"');
  expect(problemsOf(text)).toHaveLength(3);
});

it('an alias by anchor cannot blow it up', () => {
  const bomb = [
    'a0: &a0 [x, x]',
    ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`),
  ].join('\n');
  expect(problemsOf(bomb).join('\n')).toMatch(/alias|unknown key/i);
});

it('a file that is missing or cannot be read is named', async () => {
  await expect(loadConfiguration('/nowhere/kedge.yaml')).rejects.toMatchObject({
    code: 'ConfigurationInvalid',
    message: '/nowhere/kedge.yaml does not exist',
  });
  await expect(loadConfiguration('/')).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
});

it('the JSON Schema knows every key that the loader knows', () => {
  const schema = configurationJsonSchema() as { properties: object; additionalProperties: boolean };
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(parse(SOUND) as object)));
  expect(schema.additionalProperties).toBe(false);
  expect(parseConfiguration(stringify(parse(SOUND)), 'again.yaml').master).toBe('backup1');
});
