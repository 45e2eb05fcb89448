import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { assertKnownSite, findSite, targetOf } from '../../src/config/inventory';
import { findConfiguration, loadConfiguration, parseConfiguration } from '../../src/config/load';
import { nearest } from '../../src/config/nearest';
import { configurationJsonSchema } from '../../src/config/schema';
import { rootsOf } from '../../src/contract/target';

const PATH = join(__dirname, 'good.yaml');
const GOOD = readFileSync(PATH, 'utf8');

/** The good file with one text of it replaced, which stands in it once. */
function wrong(from: string, to: string): string {
  if (GOOD.split(from).length !== 2) throw new Error(`${from} stands in the good file not just once`);
  return GOOD.replace(from, () => to);
}
const messageOf = (text: string): string => {
  try {
    parseConfiguration(text, 'kedge.yaml');
  } catch (error) {
    expect(error).toMatchObject({ name: 'KedgeError', code: 'ConfigurationInvalid' });
    return (error as Error).message;
  }
  return 'accepted';
};
/** `line:column` of a text in a file, from 1 on. */
function placeOf(text: string, part: string): string {
  const before = text.slice(0, text.indexOf(part)).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

/** What is replaced, by what, the text at whose place the error stands, and what it says. */
const WRONG: Record<string, [from: string, to: string, place: string, message: RegExp]> = {
  'a name in upper case': ['master: backup1', 'master: Backup1', 'master', /^master: a name of lower case/],
  'a relative path': ['/var/lib/kedge/backups', 'var/backups', 'backups', /^backups: an absolute path/],
  'a slash at the end': [
    '/var/lib/kedge/state',
    '/var/lib/kedge/',
    'state',
    /^state: an absolute path without a slash/,
  ],
  'a number for a path': ['/mnt/spool', '17', 'spool', /^spool: is a number, and a text belongs here$/],
  'metrics without an address': [
    'master: backup1',
    'metrics: { listen: "9464" }\nmaster: backup1',
    'listen',
    /^metrics\.listen: an address with a port such as 127\.0\.0\.1:9464 or \[::1\]:9464, not "9464"$/,
  ],
  'metrics at no port': [
    'master: backup1',
    'metrics: { listen: 127.0.0.1:70000 }\nmaster: backup1',
    'listen',
    /^metrics\.listen: an address with a port such as/,
  ],
  'metrics at a name': [
    'master: backup1',
    'metrics: { listen: localhost:9464 }\nmaster: backup1',
    'listen',
    /^metrics\.listen: an address with a port such as/,
  ],
  'versions that are neither on nor off': [
    'master: backup1',
    'worker: { versioning: maybe }\nmaster: backup1',
    'versioning',
    /^worker\.versioning: /,
  ],
  'a mistyped key': ['backups:', 'bakcups:', 'bakcups', /^bakcups: unknown key; did you mean backups\?/],
  'a mistyped key of a site': ['aliases:', 'alias:', 'alias', /alias: unknown key; did you mean aliases\?/],
  'an unknown key': ['spool:', 'wholly-unknown:', 'wholly-unknown', /^wholly-unknown: unknown key$/],
  'a key of later releases': [
    'backups:',
    'platforms: {}\nbackups:',
    'platforms',
    /platforms: platforms are not supported yet/,
  ],
  'a server without a machine': [
    '  db1:',
    '  db1:\n    ssh: { agent: /run/agent }',
    'ssh',
    /servers\.db1\.ssh\.host: the name or the address of a machine/,
  ],
  'a server whose name is an option': [
    '  db1:',
    "  db1:\n    ssh: { host: '-oProxyCommand=id', agent: /run/agent }",
    'host: ',
    /servers\.db1\.ssh\.host: the name or the address of a machine/,
  ],
  'a server that nobody can log in to': [
    '  db1:',
    '  db1:\n    ssh: { host: db1.example }',
    'ssh',
    /servers\.db1\.ssh: identityFile or agent: nobody is there to type a password/,
  ],
  'an account that is an option': [
    '  db1:',
    '  db1:\n    ssh: { host: db1.example, user: -l, agent: /run/agent }',
    'user: -l',
    /servers\.db1\.ssh\.user: the name of an account/,
  ],
  'an identity file without a whole path': [
    '  db1:',
    '  db1:\n    ssh: { host: db1.example, identityFile: ~/.ssh/id }',
    'identityFile',
    /servers\.db1\.ssh\.identityFile: the path of a private key/,
  ],
  'a mistyped key of ssh': [
    '  db1:',
    '  db1:\n    ssh: { host: db1.example, identity: /etc/key }',
    'identity',
    /servers\.db1\.ssh\.identity: unknown key/,
  ],
  'an unknown kind of web server': ['kind: nginx', 'kind: apache', 'kind: apache', /servers.master.web.kind: .*nginx/],
  'an unknown kind of database': [
    'kind: mysql',
    'kind: postgres',
    'kind: postgres',
    /servers.db1.db.kind: one of mariadb, mysql belongs here/,
  ],
  'socket and host': [
    'host: 192.0.2.20',
    'host: 192.0.2.20\n      socket: /run/x',
    'db:\n      kind: mysql',
    /servers.db1.db: either socket, or host/,
  ],
  'neither socket nor host': [
    '      socket: /run/mysqld/mysqld.sock\n',
    '',
    'db:\n      kind: mariadb',
    /servers.master.db: either socket, or host/,
  ],
  'a port that is none': ['3307', '70000', 'port', /servers.db1.db.port: .*65535/],
  'a secret in the file': [
    '{ file: /etc/kedge/db1.password }',
    'hunter2-canary',
    'password: hunter2',
    /servers.db1.db.admin.password: /,
  ],
  'a program without arguments': ['[nginx, -t]', '[]', 'test:', /servers.master.web.test: a program and its arguments/],
  'an address that is none': [
    "'127.0.0.1:8080'",
    "'127.0.0.1:http'",
    "'127.0.0.1:http'",
    /servers.master.web.listen.1: an address such as 80/,
  ],
  'a site that is no host name': [
    'shop.example:',
    'Shop_Example:',
    'Shop_Example',
    /Shop_Example: a host name in lower case/,
  ],
  'an unknown kind of site': [
    'kind: wordpress',
    'kind: joomla',
    'kind: joomla',
    /sites.shop.example.kind: one of wordpress, php belongs here/,
  ],
  'a duration without unit': ['90s', '90', 'maintenanceLimit', /maintenanceLimit: .*(a text belongs here|a duration)/],
  'a duration in days': [
    '90s',
    '2d',
    'maintenanceLimit',
    /maintenanceLimit: a duration such as 90s, 15m or 2h, not "2d"/,
  ],
  'a health path without slash': [
    '/health?full=1',
    'health',
    'healthPath',
    /healthPath: a path that begins with a slash/,
  ],
  'a settings file outside the site': [
    'file: .env',
    'file: ../.env',
    'file: ../.env',
    /settings.file: a path inside the site folder/,
  ],
  'an unknown format': [
    'format: env',
    'format: ini',
    'format: ini',
    /settings.format: one of constants, variables, env belongs here/,
  ],
  'a missing key': [
    '    owner: shop\n',
    '',
    'shop.example',
    /sites.shop.example.owner: is missing, a text belongs here$/,
  ],
  'php without settings': [
    'kind: wordpress',
    'kind: php',
    'shop.example',
    /settings: a site of kind php says where its settings are/,
  ],
  'wordpress with settings': ['kind: php', 'kind: wordpress', 'settings', /settings: only a site of kind php/],
  'a key twice': ['spool: /mnt/spool', 'spool: /mnt/spool\nmaster: again', 'master: again', /unique/],
  'text that is no YAML': ['aliases: [www.shop.example]', 'aliases: [www.shop.example', 'maintenanceLimit', /./],
  // Contradictions: each line is right alone.
  'an unknown server': [
    '    server: master\n    root: /srv/shop',
    '    server: web1\n    root: /srv/shop',
    'server: web1',
    /sites.shop.example.server: there is no server web1/,
  ],
  'an unknown database server': ['db: db1', 'db: db2', 'db: db2', /sites.app.example.db: there is no server db2/],
  'a server without web': [
    '    server: master\n    root: /srv/app',
    '    server: db1\n    root: /srv/app',
    'server: db1',
    /the server db1 has no web/,
  ],
  'an alias that is a site': [
    'www.shop.example',
    'app.example',
    'app.example:',
    /app.example is a name of shop.example already/,
  ],
  'a site in the folder of another': [
    'root: /srv/app',
    'root: /srv/shop/app',
    'root: /srv/shop/app',
    /lies in the folder of shop.example/,
  ],
  'two sites in one folder': [
    'root: /srv/app',
    'root: /srv/shop',
    'root: /srv/shop\n    owner: app',
    /\/srv\/shop lies in the folder of/,
  ],
  'backups inside a site': [
    '/var/lib/kedge/backups',
    '/srv/shop/backups',
    'backups',
    /backups: \/srv\/shop\/backups lies in the folder of the site shop.example/,
  ],
  // `paths:` of app.example, whose site folder is /srv/app.
  'a declared path without a name': [
    'owner: app',
    'owner: app\n    paths: [/srv/files]',
    'paths',
    /is a list, and a set of keys belongs here/,
  ],
  'a declared path that is not absolute': [
    'owner: app',
    'owner: app\n    paths: { files: ../files }',
    'files: ..',
    /sites.app.example.paths.files: an absolute path/,
  ],
  'a declared path by a name for the site folder': [
    'owner: app',
    'owner: app\n    paths: { site: /srv/files }',
    'site: /srv/files',
    /paths.site: a name of lower case letters, digits and dashes, and not site/,
  ],
  'a declared path by a name that is a path': [
    'owner: app',
    'owner: app\n    paths: { ../up: /srv/files }',
    '../up',
    /a name of lower case letters/,
  ],
  'a declared path in the site folder': [
    'owner: app',
    'owner: app\n    paths: { files: /srv/app/files }',
    'files: /srv/app',
    /paths.files: \/srv\/app\/files lies in the site folder, and is backed up with it/,
  ],
  'a site folder in a declared path': [
    'owner: app',
    'owner: app\n    paths: { all: /srv }',
    'root: /srv/app',
    /root: \/srv\/app lies in the declared path all/,
  ],
  'a declared path in another': [
    'owner: app',
    'owner: app\n    paths: { files: /media/app, pictures: /media/app/pictures }',
    'pictures',
    /pictures: .*lies in the declared path files/,
  ],
  'a declared path in the folder of another site': [
    'owner: app',
    'owner: app\n    paths: { files: /srv/shop/uploads }',
    'files: /srv/shop',
    /paths.files: \/srv\/shop\/uploads lies in the folder of shop.example/,
  ],
  'a site in the declared path of another': [
    'owner: app',
    'owner: app\n    paths: { files: /srv/shop }',
    'root: /srv/shop',
    /root: \/srv\/shop lies in the folder of app.example/,
  ],
  'a declared path that holds the state': [
    'owner: app',
    'owner: app\n    paths: { files: /var/lib/kedge }',
    'state',
    /state: \/var\/lib\/kedge\/state lies in the folder of the site app.example/,
  ],
  'a declared path in the backups': [
    'owner: app',
    'owner: app\n    paths: { files: /var/lib/kedge/backups/app }',
    'files: /var',
    /paths.files: .*lies in the backups folder/,
  ],
  'an excluded pattern that lies nowhere': [
    "['var/cache/*']",
    "['/media/app/cache/*']",
    'exclude',
    /exclude: \/media\/app\/cache\/\* lies in no declared path/,
  ],
  'settings in a folder that is not declared': [
    'file: .env',
    'file: /etc/app/.env',
    'file: /etc/app',
    /settings.file: \/etc\/app\/.env lies in no declared path/,
  ],
  // Schedules.
  'a time that is none': [
    '15 3 * * *',
    '15 24 * * *',
    'cron: ',
    /schedules.nightly.cron: its hour is 0 to 23, .*not "24"/,
  ],
  'a time zone that is none': [
    'Europe/Berlin',
    'Europe/Berlni',
    'timeZone',
    /schedules.nightly.timeZone: the name of a time zone .*did you mean Europe\/Berlin\?/,
  ],
  'a jitter of days': ['jitter: 30m', 'jitter: 1d', 'jitter', /schedules.nightly.jitter: a duration such as/],
  'a mistyped key of a schedule': ['jitter: 30m', 'jiter: 30m', 'jiter', /jiter: unknown key; did you mean jitter\?/],
  'a schedule without times': ["{ cron: '@weekly', ", '{ ', 'shops', /schedules.shops.cron: is missing/],
  'a name of a schedule that is a path': ['nightly:', '../nightly:', '../nightly', /a name of lower case letters/],
  'a schedule of a site that there is not': [
    'app.example]',
    'ap.example]',
    'ap.example]',
    /schedules.shops.sites.1: there is no site ap.example; did you mean app.example\?/,
  ],
  'a schedule of names that no site has': [
    "'sh*p.example'",
    "'blog*'",
    "'blog*'",
    /schedules.shops.sites.0: there is no site that blog\* means/,
  ],
  'a schedule of a server that there is not': [
    'jitter: 30m',
    'server: web7',
    'server: web7',
    /schedules.nightly.server: there is no server web7/,
  ],
  'a schedule of a server without sites': [
    'jitter: 30m',
    'server: db1',
    'nightly',
    /schedules.nightly: no site is meant by: server db1/,
  ],
  'a schedule whose backups nobody signs': [
    'spool: /mnt/spool',
    'spool: /mnt/spool\nrequests: { key: { file: /k }, sign: [backup] }',
    'nightly',
    /schedules.nightly: nobody signs what it asks for/,
  ],
  'a schedule that prunes without a rule': [
    'jitter: 30m',
    'prune: true',
    'prune: true',
    /schedules.nightly.prune: nothing says which backups to keep: `keep` is missing/,
  ],
  'a site inside the state': [
    'root: /srv/app',
    'root: /var/lib/kedge/state/app',
    'root: /var/lib/kedge/state/app',
    /lies in the state folder/,
  ],
};

describe('the configuration', () => {
  test('a good file is taken, with its defaults', async () => {
    const configuration = await loadConfiguration(PATH);
    expect(configuration.servers['master']?.web?.listen).toEqual([
      { address: '*', port: 80 },
      { address: '127.0.0.1', port: 8080 },
      { address: '[::]', port: 80 },
      { address: '*', port: 81 },
    ]);
    expect(configuration.sites['shop.example']).toMatchObject({
      vhost: 'include',
      healthPath: '/',
      maintenanceLimit: 90_000,
    });
    expect(configuration.sites['app.example']).toMatchObject({ aliases: [], maintenanceLimit: 900_000, vhost: 'none' });
    expect(configuration.schedules).toMatchObject({
      nightly: { cron: { text: '15 3 * * *' }, timeZone: 'Europe/Berlin', jitter: 1_800_000, prune: false },
      shops: { cron: { text: '@weekly' }, timeZone: 'UTC', jitter: 0, description: 'every week', quiesce: true },
    });
  });

  test.each(Object.entries(WRONG))('%s: file, line, column, and what was expected', (_, [from, to, place, message]) => {
    const text = wrong(from, to);
    const at = `kedge.yaml:${placeOf(text, place)}: `;
    const lines = messageOf(text).split('\n');
    const line = lines.find((one) => one.startsWith(at)) ?? lines.join('\n');
    expect(line.slice(0, at.length)).toBe(at);
    expect(line.slice(at.length)).toMatch(message);
    expect(lines.join('\n')).not.toContain('canary');
  });

  test('every problem has a line of its own', () => {
    const text = wrong('3307', '0').replace('/mnt/spool', 'spool').replace('format: env', 'format: ini');
    const lines = messageOf(text).split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^kedge\.yaml:\d+:\d+: [\w.]+: /);
  });

  test.each(['', '# nothing', '[]', 'text', 'null'])('%j is no configuration', (text) => {
    expect(messageOf(text)).toMatch(
      /^kedge\.yaml:1:1: the file: is (nothing|a list|a text), and a set of keys belongs here$/,
    );
  });

  test.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
  ])('the duration %s is %d ms', (text, ms) => {
    expect(parseConfiguration(wrong('90s', text), 'x').sites['shop.example']?.maintenanceLimit).toBe(ms);
  });

  test.each(['0', '65536', 'http', '127.0.0.1', '[::]', 'example.com:80', ':80', '80;', '-1', '1.5'])(
    'the address %s is refused',
    (text) => {
      expect(messageOf(wrong("'127.0.0.1:8080'", JSON.stringify(text)))).toMatch(/listen\.1: an address such as/);
    },
  );

  test('aliases that would blow it up are refused', () => {
    const bomb = [
      'a0: &a0 [x, x]',
      ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`),
    ].join('\n');
    expect(messageOf(bomb)).toMatch(/alias|unknown key/i);
  });

  test('a schedule may prune where one of its sites has a rule, and mean all of no sites yet', () => {
    const pruning = GOOD.replace('jitter: 30m', 'prune: true').replace(
      'owner: shop',
      'owner: shop\n    keep: { last: 2 }',
    );
    expect(parseConfiguration(pruning, 'x').schedules['nightly']?.prune).toBe(true);
    const empty = `${GOOD.slice(0, GOOD.indexOf('sites:\n'))}sites: {}\n`.replace(/^ {2}shops:.*\n/m, '');
    expect(Object.keys(parseConfiguration(empty, 'x').schedules)).toEqual(['nightly']);
  });

  test('a duration of nothing would end every task at once', () => {
    expect(messageOf(wrong('90s', '0s'))).toMatch(/maintenanceLimit: /);
  });

  test('where it is found: named, in the environment, here by ordinary users alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kedge-config-'));
    try {
      const find = (path?: string, environment: Record<string, string> = {}, isRoot = false) =>
        findConfiguration({ ...(path === undefined ? {} : { path }), environment, workingFolder: folder, isRoot });
      expect(find('a.yaml', { KEDGE_CONFIG: '/b.yaml' })).toBe(join(folder, 'a.yaml'));
      expect(find(undefined, { KEDGE_CONFIG: '/b.yaml' })).toBe('/b.yaml');
      writeFileSync(join(folder, 'kedge.yaml'), '');
      expect(find()).toBe(join(folder, 'kedge.yaml'));
      for (const path of ['a.yaml', 'kedge.yaml']) expect(find(path, {}, true)).toBe(join(folder, path));
      expect(() => find(undefined, {}, true)).toThrow(
        expect.objectContaining({
          code: 'ConfigurationInvalid',
          message: 'there is no /etc/kedge/kedge.yaml',
          hint: expect.stringContaining(`If you trust ${folder}/kedge.yaml, name it by --config`),
        }) as Error,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a file that is not there is named', async () => {
    await expect(loadConfiguration('/no/such/kedge.yaml')).rejects.toMatchObject({
      code: 'ConfigurationInvalid',
      message: '/no/such/kedge.yaml does not exist',
    });
  });

  test('its JSON Schema takes the good file, and not wrong ones', () => {
    const schema = z.fromJSONSchema(configurationJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    const good = {
      master: 'backup1',
      backups: '/b',
      state: '/s',
      servers: {
        master: {
          web: { kind: 'nginx', vhosts: '/v', flags: '/f', listen: [80, '127.0.0.1:8080'] },
          db: { kind: 'mariadb', socket: '/run/s', admin: { user: 'root', password: { env: 'P' } } },
        },
      },
      sites: {
        'shop.example': {
          kind: 'wordpress',
          server: 'master',
          root: '/srv/shop',
          owner: 'shop',
          php: { socket: '/run/php.sock' },
          db: 'master',
          maintenanceLimit: '15m',
          paths: { uploads: '/srv/media' },
        },
      },
    };
    expect(schema.safeParse(good).error).toBeUndefined();
    expect(schema.safeParse({ ...good, backups: 'relative' }).success).toBe(false);
    expect(schema.safeParse({ ...good, unknown: 1 }).success).toBe(false);
    expect(schema.safeParse({ ...good, master: undefined }).success).toBe(false);
  });
});

describe('the inventory', () => {
  const configuration = parseConfiguration(GOOD, 'kedge.yaml');

  test('a site nobody configured is unknown, and the nearest is named', () => {
    expect(assertKnownSite(configuration, 'shop.example').root).toBe('/srv/shop');
    for (const [uri, hint] of [
      ['shop.exmaple', /Did you mean shop.example\?/],
      ['something-else.test', /^See `kedge sites`/],
      ['toString', /kedge sites/],
      ['__proto__', /kedge sites/],
    ] as const) {
      expect(() => assertKnownSite(configuration, uri)).toThrow(
        expect.objectContaining({ code: 'SiteUnknown', hint: expect.stringMatching(hint) }),
      );
    }
  });

  test.each([
    ['shop.example', 'shop.example'],
    ['SHOP.Example', 'shop.example'],
    ['shop.example.', 'shop.example'],
    ['https://shop.example:8443/cart?x=1#top', 'shop.example'],
    ['shop.example/cart', 'shop.example'],
    ['www.Shop.example', 'shop.example'],
    ['https://old-shop.example/', 'shop.example'],
    ['http://xn--mller-kva.example/', 'app.example'],
    ['Müller.example', 'app.example'],
    ['shop', null],
    ['../shop.example', null],
    ['https://', null],
    ['', null],
    ['constructor', null],
  ])('%j is meant as the site %j', (name, site) => {
    const { sites } = configuration;
    const named = {
      ...sites,
      'shop.example': {
        ...(sites['shop.example'] as object),
        ...{ aliases: ['www.shop.example'], redirects: { https: false, names: ['old-shop.example'] } },
      },
      'app.example': { ...(sites['app.example'] as object), aliases: ['xn--mller-kva.example'] },
    } as unknown as typeof sites;
    expect(findSite({ sites: named }, name)).toBe(site);
  });

  test('declared paths, and what of them is left out or holds the settings, are part of the target', async () => {
    const text = wrong('owner: app', 'owner: app\n    paths: { media: /media/app, config: /etc/app }')
      .replace("['var/cache/*']", "['var/cache/*', '/media/app/cache/*']")
      .replace('file: .env', 'file: /etc/app/.env');
    const { site } = await targetOf(parseConfiguration(text, 'kedge.yaml'), 'app.example', {
      lookUpOwner: () => Promise.resolve({ user: 'app', uid: 7, gid: 8 }),
      isElsewhere: () => false,
      kindOf: () => ({ defaultExcludes: [] }),
      readTemplate: () => Promise.reject(new Error('no site has a template')),
    });
    expect(site).toMatchObject({
      exclude: ['var/cache/*', '/media/app/cache/*'],
      settings: { file: '/etc/app/.env' },
    });
    expect(rootsOf(site)).toEqual([
      { name: 'site', path: '/srv/app' },
      { name: 'media', path: '/media/app' },
      { name: 'config', path: '/etc/app' },
    ]);
  });

  test('the target of a site holds all that a task needs, and no secret', async () => {
    const owner = { user: 'app', uid: 7, gid: 8 };
    const kinds = { defaultExcludes: ['cache/*'] };
    const target = await targetOf(configuration, 'app.example', {
      lookUpOwner: () => Promise.resolve(owner),
      isElsewhere: () => false,
      kindOf: () => kinds,
      readTemplate: () => Promise.reject(new Error('no site has a template')),
    });
    expect(target).toMatchObject({
      master: 'backup1',
      site: { uri: 'app.example', root: '/srv/app', owner, exclude: ['var/cache/*'], settings: { file: '.env' } },
      web: { name: 'master', kind: 'nginx' },
      database: { name: 'db1', admin: { user: 'kedge', password: { file: '/etc/kedge/db1.password' } } },
      backups: '/var/lib/kedge/backups/app.example',
      spool: '/mnt/spool',
      maintenanceLimitMs: 900_000,
    });
    const shop = await targetOf(configuration, 'shop.example', {
      lookUpOwner: () => Promise.resolve(owner),
      isElsewhere: () => false,
      kindOf: () => kinds,
      readTemplate: () => Promise.reject(new Error('no site has a template')),
    });
    expect(shop.site.exclude).toEqual(['cache/*']);
  });
});

test('the nearest word is near', () => {
  expect(nearest('mastre', ['master', 'state'])).toBe('master');
  expect(nearest('MASTER', ['master'])).toBe('master');
  expect(nearest('xyz', ['master', 'state'])).toBeNull();
  expect(nearest('x', [])).toBeNull();
});
