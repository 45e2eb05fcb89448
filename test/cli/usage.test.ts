import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runCommand } from '../helpers/command';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-usage-'));
  const site = {
    kind: 'wordpress',
    server: 'master',
    root: '/srv/g',
    owner: 'root',
    php: { socket: '/s' },
    db: 'master',
  };
  const server = {
    web: { kind: 'nginx', vhosts: join(folder, 'vhosts'), flags: join(folder, 'flags') },
    db: { kind: 'mariadb', socket: '/s', admin: { user: 'root' } },
  };
  writeFileSync(
    join(folder, 'kedge.yaml'),
    stringify({
      master: 'm',
      backups: join(folder, 'backups'),
      state: join(folder, 'state'),
      servers: { master: server },
      sites: { 'gazette.example': site },
    }),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const run = (...argv: string[]) =>
  runCommand(argv, { environment: { KEDGE_CONFIG: join(folder, 'kedge.yaml') }, workingFolder: folder });

it.each<[string, string[], string, number, RegExp]>([
  ['a site that is a path', ['backup', '../../etc'], 'SiteUnknown', 10, /\.\.\/\.\.\/etc/],
  ['a name every object has', ['backup', 'constructor'], 'SiteUnknown', 10, /constructor/],
  ['an unknown site to list', ['backups', 'nowhere.test'], 'SiteUnknown', 10, /nowhere\.test/],
  [
    'a backup that is a path',
    ['restore', 'gazette.example', '../../etc/passwd', '--yes'],
    'BackupUnknown',
    10,
    /etc\/passwd/,
  ],
  [
    'no backup yet',
    ['restore', 'gazette.example', 'latest', '--yes'],
    'BackupUnknown',
    10,
    /no valid backups available/,
  ],
  ['a backup to show that is none', ['backups', 'show', 'x'], 'BackupUnknown', 10, /"x"/],
  ['an unknown option', ['backup', 'gazette.example', '--frobnicate'], 'UsageInvalid', 2, /--frobnicate/],
  ['an unknown command', ['bakcup', 'gazette.example'], 'UsageInvalid', 2, /bakcup/],
  ['a missing argument', ['verify'], 'UsageInvalid', 2, /site/],
  ['a backup of nothing', ['backup'], 'UsageInvalid', 2, /which site/],
  ['too many arguments', ['verify', 'gazette.example', 'b.example'], 'UsageInvalid', 2, /argument/],
  ['one unknown site of many', ['backup', 'gazette.example', 'b.example'], 'SiteUnknown', 10, /b\.example/],
  ['names that no site has', ['backup', 'blog*'], 'SiteUnknown', 10, /no site .*blog\*/],
  ['an unknown kind', ['backup', '--all', '--kind', 'drupal9'], 'UsageInvalid', 2, /wordpress, php/],
  ['a server of no site', ['backup', '--all', '--server', 'web7'], 'SiteUnknown', 10, /server web7/],
  ['a kind without --all', ['backup', 'g*', '--kind', 'php'], 'UsageInvalid', 2, /--kind/],
  ['pruning of one site', ['backup', 'gazette.example', '--prune'], 'UsageInvalid', 2, /--prune/],
  ['pruning without a rule', ['backup', '--all', '--prune'], 'ConfigurationInvalid', 2, /which backups to keep/],
  ['a key for many', ['backup', '--all', '--request-key', 'k'], 'UsageInvalid', 2, /--request-key/],
  ['more names than one run takes', ['backup', ...Array<string>(101).fill('g*')], 'UsageInvalid', 2, /101 sites/],
  ['an unknown part of schedules', ['schedules', 'aply'], 'UsageInvalid', 2, /aply|argument/],
  ['schedules without Temporal', ['schedules', 'apply', '--yes'], 'TemporalUnreachable', 12, /127\.0\.0\.1:1/],
  ['an unknown compression', ['backup', 'gazette.example', '--compression', 'rar'], 'UsageInvalid', 2, /rar/],
  ['a limit that is no number', ['tasks', '--limit', 'many'], 'UsageInvalid', 2, /many/],
  ['a limit of nothing', ['tasks', '--limit', '0'], 'UsageInvalid', 2, /"0"/],
  ['a task id that is a path', ['log', '../../../etc/passwd'], 'TaskUnknown', 10, /etc\/passwd/],
  ['a task id of strange bytes', ['log', 'x%00'], 'TaskUnknown', 10, /x%00/],
  ['a task of a name every object has', ['log', 'constructor'], 'TaskUnknown', 10, /constructor/],
  ['a site without tasks', ['cancel', 'gazette.example'], 'TaskUnknown', 10, /no task yet/],
  [
    'a configuration that is not there',
    ['sites', '--config', 'none.yaml'],
    'ConfigurationInvalid',
    2,
    /none\.yaml does not exist/,
  ],
])('%s', async (_what, argv, code, exitCode, place) => {
  const told = await run(...argv, '--json');
  const { error } = JSON.parse(told.stdout) as { error: { code: string; message: string; hint: string } };
  expect({ ...error, exitCode: told.exitCode }).toMatchObject({ code, exitCode });
  expect(error.message).toMatch(place);
  expect(error.hint).toMatch(/\S/);
  const plain = await run(...argv);
  expect(plain).toMatchObject({ exitCode, stdout: '' });
  expect(plain.stderr).toMatch(place);
});

it('global options stand before or behind the command', async () => {
  for (const argv of [
    ['--json', 'sites'],
    ['sites', '--json'],
  ]) {
    const { exitCode, stdout } = await run(...argv);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      sites: [{ site: 'gazette.example', adopted: false, lastBackup: null }],
    });
  }
});

it('a list of nothing is told in words', async () => {
  expect((await run('backups')).stdout).toBe('There are no valid backups available.\n');
  expect((await run('tasks')).stdout).toBe('There are no tasks.\n');
});
