import { chmodSync, chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { removePrivateFolder } from '../../../../scripts/lab/private-folder';
import { type HostRulesFile, hostRulesSchema } from '../../../../src/core/hosts/rules/host-rules';
import { placeOf } from '../../../../src/core/hosts/rules/places';
import { readHostRules } from '../../../../src/core/hosts/rules/read-host-rules';
import { itAsRoot } from '../../../helpers/as-root';

const WEB = {
  kind: 'nginx' as const,
  vhosts: '/etc/nginx/kedge.d',
  flags: '/var/lib/kedge-web',
  test: ['nginx', '-t'],
  reload: ['systemctl', 'reload', 'nginx'],
  names: ['shop.example', '*.shop.example'],
  listen: [{ address: '*', port: 80 }],
};
const RULES: HostRulesFile = {
  version: 1,
  master: 'backup1',
  sites: [
    { folder: '/srv/sites', owners: ['shop', 'www-data'], hooks: true },
    { folder: '/home/alice/www', owners: ['alice'], staging: '/home/.kedge' },
  ],
  web: WEB,
  commands: [['systemctl', 'reload', 'php8.2-fpm']],
  connect: { sockets: ['/run/php/shop.sock'], ports: [{ host: '127.0.0.1', port: 3306 }] },
  space: ['/var/lib/mysql'],
};

const errorsOf = (changes: object): string =>
  JSON.stringify(
    hostRulesSchema
      .safeParse({ ...RULES, ...changes })
      .error?.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`),
  );

test('what is left out has its default, and that is nothing', () => {
  const rules = hostRulesSchema.parse(RULES);
  expect(rules.sites.map(({ staging, hooks }) => [staging, hooks])).toEqual([
    ['/srv/sites/.kedge', true],
    ['/home/.kedge', false],
  ]);
  expect(hostRulesSchema.parse({ version: 1, master: 'backup1' })).toEqual({
    ...{ version: 1, master: 'backup1', sites: [], commands: [], space: [] },
    connect: { sockets: [], ports: [] },
  });
});

const site = (changes: object): object => ({ sites: [{ folder: '/srv/sites', owners: ['shop'], ...changes }] });
test.each([
  ['a folder of the system', site({ folder: '/etc/sites' }), 'outside of those of the system'],
  ['all there is', site({ folder: '/' }), 'not / itself'],
  ['a path that goes back', site({ folder: '/srv/../etc' }), 'without . and ..'],
  ['a path with a newline', site({ folder: '/srv/a\nb' }), 'an absolute path'],
  ['the home of root', site({ folder: '/root' }), 'outside of those of the system'],
  ['sites without an owner', site({ owners: [] }), 'Too small'],
  ['an account that is an option', site({ owners: ['-s'] }), 'the name of an account'],
  ['a staging folder that holds the sites', site({ staging: '/srv' }), 'holds the folder of sites itself'],
  ['a staging folder that is the site', site({ staging: '/srv/sites' }), 'holds the folder of sites itself'],
  ['something unknown', { everything: true }, 'everything'],
  ['another version', { version: 2 }, '1'],
  [
    'one folder twice',
    {
      sites: [
        { folder: '/srv', owners: ['a'] },
        { folder: '/srv/b', owners: ['b'] },
      ],
    },
    'also in the reach of /srv',
  ],
  ...(
    [
      ['at its top', '/srv/sites/.kedge', 'sites.1.staging'],
      ['in one of them', '/srv/sites/shop/.kedge', 'sites.1.staging'],
      ['that holds it', '/srv', 'sites.1.staging'],
    ] as const
  ).map(([where, staging, place]): [string, object, string] => [
    `a staging folder among the sites of others, ${where}`,
    {
      sites: [
        { folder: '/srv/sites', owners: ['a'], staging: '/srv/.kedge' },
        { folder: '/home/b/www', owners: ['b'], staging },
      ],
    },
    place,
  ]),
  [
    'a staging folder within another',
    {
      sites: [
        { folder: '/srv/a', owners: ['a'], staging: '/srv/.kedge' },
        { folder: '/srv/b', owners: ['b'], staging: '/srv/.kedge/b' },
      ],
    },
    'lies in the staging folder /srv/.kedge',
  ],
  ['vhosts among sites', { web: { ...WEB, vhosts: '/srv/sites/vhosts' } }, 'who writes there would configure it'],
  ['sites among flags', { web: { ...WEB, flags: '/srv' } }, 'who writes there would configure it'],
  [
    'flags among vhosts',
    { web: { ...WEB, vhosts: '/var/lib/x', flags: '/var/lib/x/f' } },
    'lies in the folder of vhosts',
  ],
  ['vhosts in the folder of the rules', { web: { ...WEB, vhosts: '/etc/kedge' } }, 'a folder of its own'],
  ['a key among sites', { web: { ...WEB, files: ['/srv/sites/key.pem'] } }, 'reads as root'],
  ['a template among vhosts', { web: { ...WEB, templates: ['/etc/nginx/kedge.d/t'] } }, 'that the master writes to'],
  ['a socket among sites', { connect: { sockets: ['/srv/sites/shop/php.sock'] } }, 'could lay a link there'],
  ['every name', { web: { ...WEB, names: ['*'] } }, 'a host name'],
  ['a name with a newline', { web: { ...WEB, names: ['a\nb'] } }, 'a host name'],
])('%s is refused', (_what, changes, message) => {
  expect(errorsOf(changes)).toContain(message);
});

test('several folders of sites side by side have one staging folder', () => {
  const sites = ['/srv/a', '/srv/b'].map((folder) => ({ folder, owners: ['a'], staging: '/srv/.kedge' }));
  expect(errorsOf({ sites })).toBeUndefined();
});

test('each path is what the rules have it for, as it is written', () => {
  const rules = hostRulesSchema.parse(RULES);
  const kinds: Record<string, string> = {
    '/srv/sites': 'site',
    '/srv/sites/shop/index.php': 'site',
    '/srv/sites/.kedge': 'staging',
    '/srv/sites/.kedge/token/1/site': 'staging',
    '/srv/sites.old': 'other',
    '/srv/sites/../other': 'other',
    '/srv/sites/': 'other',
    '/srv/sites//shop': 'other',
    '/home/alice/www': 'site',
    '/home/alice/.ssh/authorized_keys': 'other',
    '/home/alice': 'above',
    '/home/.kedge/token': 'staging',
    '/etc/nginx/kedge.d/shop.example.conf': 'vhosts',
    '/etc/nginx': 'above',
    '/etc/nginx/nginx.conf': 'other',
    '/etc/kedge/host.yaml': 'other',
    '/var/lib/kedge-web/shop.example': 'flags',
    '/var/lib/mysql': 'named',
    '/var/lib/mysql/mysql': 'other',
    '/run/php/shop.sock': 'named',
    '/': 'above',
  };
  expect(Object.fromEntries(Object.keys(kinds).map((path) => [path, placeOf(rules, path).kind]))).toEqual(kinds);
});

describe('a file of rules', () => {
  const folder = mkdtempSync('/var/tmp/kedge-rules-file-');
  afterAll(() => removePrivateFolder(folder));
  const file = join(folder, 'host.yaml');
  const write = (text: string, mode = 0o644): void => {
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
  };

  test('is read', () => {
    write(stringify(RULES));
    expect(readHostRules(file, 'web1')).toEqual(hostRulesSchema.parse(RULES));
  });

  test.each([
    ['that is no YAML', 'a: [', 'is no YAML'],
    ['with a key twice', 'version: 1\nversion: 1', 'is no YAML'],
    ['with aliases', 'version: &a 1\nmaster: *a', 'has aliases'],
    ['with nothing in it', '', 'is not understood'],
    ['with too little in it', 'version: 1', 'master: is missing'],
  ])('%s is refused, and the command that mends it is told', (_what, text, message) => {
    write(text);
    expect(() => readHostRules(file, 'web1')).toThrow(
      expect.objectContaining({
        code: 'HostRefused',
        message: expect.stringContaining(message),
        hint: 'Run `kedge servers prepare web1`, which writes it.',
      }),
    );
  });

  test('that others may write is refused', () => {
    write(stringify(RULES), 0o666);
    expect(() => readHostRules(file, 'web1')).toThrow(expect.objectContaining({ code: 'OwnerRefused' }));
  });

  itAsRoot('of another account is refused', () => {
    write(stringify(RULES));
    chownSync(file, 5, 60);
    expect(() => readHostRules(file, 'web1')).toThrow(expect.objectContaining({ code: 'OwnerRefused' }));
    chownSync(file, 0, 0);
  });

  test('that lets the master change the rules is refused', () => {
    write(stringify({ ...RULES, sites: [{ folder, owners: ['shop'] }] }));
    expect(() => readHostRules(file, 'web1')).toThrow(/held by nothing/);
  });
});
