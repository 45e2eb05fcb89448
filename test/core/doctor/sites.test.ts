import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCatalog } from '../../../src/core/catalog/file-catalog';
import type { ConfiguredSite } from '../../../src/core/doctor/installation';
import { runChecks } from '../../../src/core/doctor/run-checks';
import { SITE_CHECKS, isBusy } from '../../../src/core/doctor/sites';
import type { Host } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { SiteAtWork } from '../../../src/core/sites/site-at-work';
import { liveFolder } from '../../../src/core/sites/site-folder';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { JOURNAL } from '../../../src/core/tasks/journal';
import { Journals } from '../../../src/core/tasks/journals';
import { Mirrors } from '../../../src/core/sync/mirrors';
import { SiteStates } from '../../../src/core/tasks/site-state';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import { targetIn, webServerAddress } from '../../helpers/target';
import { testOperation } from '../../helpers/operation';
import { newTask } from '../../helpers/new-task';

/** What these checks need no server for; test/e2e/doctor.test.ts has the others. */
const CHECKS = ['site-owner', 'site-adopted', 'site-folder', 'site-staging', 'open-tasks', 'catalogue'];

const host = createLocalHost({ name: 'lab' });
const uri = 'example.com';
const uid = process.getuid?.() ?? 0;
let top: string;
let root: string;
let journals: Journals;

beforeEach(async () => {
  top = await mkdtemp('/var/tmp/kedge-doctor-');
  await chmod(top, 0o755);
  root = join(top, 'srv/site');
  await mkdir(root, { recursive: true });
  journals = new Journals(join(top, 'tasks'), join(top, 'open'), host, () => undefined);
});
afterEach(() => rm(top, { recursive: true, force: true }));

function siteOn(machine: Host = host, isRunning: boolean | null = false, ownerUid = uid): ConfiguredSite {
  const target = targetIn(top, {
    site: { uri, kind: 'wordpress', root, owner: { user: 'owner', uid: ownerUid, gid: ownerUid }, vhost: 'managed' },
    web: webServerAddress({
      vhosts: join(top, 'vhosts'),
      flags: join(top, 'flags'),
      listen: [{ address: '127.0.0.1', port: 1 }],
    }),
    spool: join(top, 'spool'),
  });
  const site: SiteAtWork = {
    target,
    uri,
    location: target.site,
    host: machine,
    onMaster: true,
    folder: liveFolder(machine, target.site),
    kind: siteKindOf(target.site),
    webServer: createNginx({ address: target.web, host: machine }),
    databaseServer: () => Promise.reject(new Error('there is no database server here')),
    hosts: () => [machine],
  };
  return {
    uri,
    webServer: target.web.name,
    resolve: () => Promise.resolve(site),
    master: machine,
    mirrors: new Mirrors(join(top, 'mirrors'), host),
    states: new SiteStates(join(top, 'sites'), host, () => undefined),
    catalog: createCatalog(join(top, 'backups'), host),
    journals,
    isRunning: () => Promise.resolve(isRunning),
  };
}

async function findings(site = siteOn()): Promise<[string, string, string][]> {
  const checks = SITE_CHECKS.filter(({ check }) => CHECKS.includes(check));
  const found = await runChecks(checks, site, { site: uri }, testOperation());
  return found
    .filter(({ check, message }) => !(check === 'site-adopted' && message.includes('is not known')))
    .map(({ check, level, message }) => [check, level, message.replaceAll(top, 'TOP')]);
}

it('a site in order', async () => {
  expect(await findings()).toEqual([]);
});

it('an owner the worker cannot act as', async () => {
  const ordinary = Object.create(host, {
    account: { value: async () => ({ uid: 0, privileged: false }) },
  }) as Host;
  expect(await findings(siteOn(ordinary, false, uid + 1))).toEqual([
    [
      'site-owner',
      'error',
      'example.com belongs to owner, and the worker, which is not root, cannot act as another account',
    ],
  ]);
});

it('a link that leads out of the site', async () => {
  await symlink('/srv', join(root, 'elsewhere'));
  expect(await findings()).toEqual([
    ['site-folder', 'warning', expect.stringMatching(/^links that lead out of the site folder .*elsewhere -> \/srv$/)],
  ]);
});

it('a site that would not fit a second time', async () => {
  await writeFile(join(root, 'huge'), '');
  await truncate(join(root, 'huge'), 8 * 1024 ** 4);
  expect(await findings()).toEqual([
    ['site-folder', 'error', expect.stringMatching(/^a restore has no room: .* on lab need \d+ bytes/)],
  ]);
});

it.each<[boolean | null, boolean, unknown[]]>([
  [true, true, []],
  [false, false, [['open-tasks', 'error', 'example.com-1-backup was left open by a workflow that is no more']]],
  [
    null,
    false,
    [['open-tasks', 'warning', 'example.com-1-backup is open, and Temporal cannot be asked whether it still runs']],
  ],
])('an open task whose run is open: %s', async (running, busy, expected) => {
  await journals.begin(newTask({ task: 'example.com-1-backup', site: uri, type: 'backup', who: 'test' }));
  expect(await isBusy(siteOn(host, running))).toBe(busy);
  expect(await findings(siteOn(host, running))).toEqual(expected);
});

it('files under the state folder that cannot be read', async () => {
  await mkdir(join(top, 'sites'));
  await mkdir(join(top, 'open'));
  await mkdir(join(top, 'tasks'));
  await writeFile(join(top, 'sites', `${uri}.json`), '{}');
  await writeFile(join(top, 'open', `${uri}-1-backup`), '');
  await writeFile(join(top, 'tasks', `${uri}-1-backup.json`), 'torn');
  expect(await isBusy(siteOn())).toBe(false);
  expect(await findings()).toEqual([
    ['site-adopted', 'error', expect.stringMatching(/^TOP\/sites\/example\.com\.json cannot be read/)],
    ['open-tasks', 'error', 'TOP/tasks/example.com-1-backup.json cannot be read: it is not JSON'],
  ]);
});

it('what a newer Kedge wrote, by its version, and with what to do', async () => {
  await mkdir(join(top, 'tasks'), { recursive: true });
  for (const name of ['sites', 'open', `backups/${uri}`]) await mkdir(join(top, name), { recursive: true });
  const backup = `${uri}-20260101.000000`;
  await writeFile(join(top, 'sites', `${uri}.json`), '{"version": 2}');
  await writeFile(join(top, 'open/example.com-1-backup'), '');
  await writeFile(join(top, 'tasks/example.com-1-backup.json'), JSON.stringify({ version: JOURNAL.version + 1 }));
  await writeFile(join(top, 'backups', uri, `${backup}.json`), '{"schema": 2}');
  await writeFile(join(top, 'backups', uri, `${backup}.tar.zst`), '');
  const of = (what: string, version: number): string =>
    `${what} of version ${version}, and this Kedge knows none above ${version - 1}: a newer one wrote it`;
  expect(await findings()).toEqual([
    ['site-adopted', 'error', of('TOP/sites/example.com.json holds a state of a site', 2)],
    ['open-tasks', 'error', of('TOP/tasks/example.com-1-backup.json holds a journal', JOURNAL.version + 1)],
    ['catalogue', 'warning', of(`TOP/backups/${uri}/${backup}.json: backup ${backup} holds a record`, 2)],
  ]);
  const [found] = (await runChecks(SITE_CHECKS, siteOn(), { site: uri }, testOperation())).filter(
    ({ check }) => check === 'open-tasks',
  );
  expect(found?.hint).toMatch(/^Run the Kedge that wrote it, or a later one/);
});

it('strays of the catalogue', async () => {
  const folder = join(top, 'backups', uri);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'notes.txt'), '');
  await writeFile(join(folder, `${uri}-20260101.000000.tar.gz`), '');
  await writeFile(join(folder, '.being-written.tar'), '');
  expect(await findings()).toEqual([
    ['catalogue', 'warning', `TOP/backups/${uri}/${uri}-20260101.000000.tar.gz: archive without record`],
    ['catalogue', 'warning', `TOP/backups/${uri}/notes.txt: foreign file`],
  ]);
});

it('files of another vhost mode, and of another configuration', async () => {
  const site = siteOn();
  const { location, webServer: web } = await site.resolve();
  const checks = SITE_CHECKS.filter(({ check }) => check === 'site-vhost');
  const found = async (): Promise<string[]> =>
    (await runChecks(checks, site, { site: uri }, testOperation())).map(({ level, message }) => `${level}: ${message}`);
  const vhosts = join(top, 'vhosts');
  await mkdir(vhosts, { recursive: true });
  expect(await found()).toEqual(['error: the managed vhost of example.com is not written']);
  await writeFile(join(vhosts, `${uri}.conf`), web.renderVhost({ ...location, aliases: ['old.example'] }).vhost ?? '');
  await writeFile(join(vhosts, `${uri}.include`), web.renderVhost({ ...location, vhost: 'include' }).snippet ?? '');
  expect(await found()).toEqual([
    'warning: the managed vhost of example.com is not what the configuration asks for now',
    'warning: a snippet of example.com is left from another vhost mode',
  ]);
  await writeFile(join(vhosts, `${uri}.include`), "somebody else's");
  await writeFile(join(vhosts, `${uri}.conf`), "somebody else's");
  expect(await found()).toEqual(['error: the managed vhost of example.com was not written by Kedge']);
});
