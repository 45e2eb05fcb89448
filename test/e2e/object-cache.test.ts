import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { currentDatabase, get } from '../../scripts/lab/fingerprint';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type CacheServerProcess, redis, startRedis } from '../helpers/cache-servers';
import { type Lab, type WordPressSite, cliFailure, cliJson, startLab } from '../helpers/e2e';

jest.setTimeout(180_000);

let lab: Lab;
let site: WordPressSite;
let worker: WorkerProcess;
let cache: CacheServerProcess;
let backup: BackupResult;

beforeAll(async () => {
  // PHP looks at no time stamps, and lets nobody tell it to forget: only a reload brings it to new code.
  lab = await startLab({
    sites: ['gazette.example'],
    phpSettings: { 'opcache.validate_timestamps': '0', 'opcache.restrict_api': '/nowhere' },
  });
  site = lab.sites[0] as WordPressSite;
  const folder = join(lab.folder, 'cache');
  await mkdir(folder, { mode: 0o755 });
  cache = await startRedis(folder, 'redis');
  const settings = join(site.root, 'wp-config.php');
  const defined = `define('WP_REDIS_SCHEME', 'unix'); define('WP_REDIS_PATH', '${cache.socket}'); define('WP_REDIS_PREFIX', 'gazette:');`;
  await writeFile(settings, (await readFile(settings, 'utf8')).replace('<?php', `<?php ${defined}`));
  await copyFile(join(__dirname, '../helpers/redis-object-cache.php'), join(site.root, 'wp-content/object-cache.php'));
  worker = await startWorkerProcess(lab.environment);
  await cliJson(lab, 'sites', 'adopt', site.uri);
});
afterAll(async () => {
  await worker?.stop();
  await cache?.stop();
  await lab?.stop();
});

async function title(): Promise<string> {
  return /<title>(.*?)<\/title>/.exec((await get(lab.nginx.port, site.uri, '/')).body.toString())?.[1] ?? '';
}

async function configure(change: object): Promise<void> {
  const configuration = parse(await readFile(lab.configuration, 'utf8')) as {
    sites: Record<string, { php: object }>;
  };
  const entry = configuration.sites[site.uri] ?? { php: {} };
  configuration.sites[site.uri] = {
    ...entry,
    ...change,
    php: { ...entry.php, ...('php' in change ? (change.php as object) : {}) },
  };
  await writeFile(lab.configuration, stringify(configuration));
}

/** Another title, in the database and, by a request, in the cache. */
async function rename(to: string): Promise<void> {
  const database = await currentDatabase(site);
  await lab.mariadb.query(`UPDATE ${database}.wp_options SET option_value = '${to}' WHERE option_name = 'blogname'`);
  redis(cache, 'DEL', 'gazette:wp_:options:alloptions');
  expect(await title()).toBe(to);
}

it('a restored site is shown as restored, not as its object cache and PHP remember it; a neighbour keeps its keys', async () => {
  await configure({ php: { reload: ['sh', '-c', `kill -USR2 $(cat ${join(lab.folder, 'php-fpm.pid')})`] } });
  await rename('As saved');
  backup = await cliJson<BackupResult>(lab, 'backup', site.uri);
  await rename('As broken');
  // The cache is really believed, or this test would show nothing.
  await lab.mariadb.query(
    `UPDATE ${site.database}.wp_options SET option_value = 'Unseen' WHERE option_name = 'blogname'`,
  );
  expect(await title()).toBe('As broken');
  redis(cache, 'SET', 'neighbour:wp_:options:alloptions', 'kept');

  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(restored.warnings).toEqual([]);
  expect(await title()).toBe('As saved');
  expect(redis(cache, 'GET', 'neighbour:wp_:options:alloptions')).toBe('kept');
});

it('what a restore that fails has left in the cache is gone', async () => {
  await rename('As before');
  // What a visit of the restored site would leave there, before it is given up.
  const visit = `redis-cli -p ${cache.port} SET gazette:wp_:options:alloptions 'a:0:{}'; exit 1`;
  await configure({ hooks: { afterSwitch: ['sh', '-c', visit] } });
  const failure = await cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(failure).toMatchObject({ code: 'HookFailed', state: 'the site is as it was before' });
  expect(redis(cache, 'EXISTS', 'gazette:wp_:options:alloptions')).toBe('0');
  expect(await title()).toBe('As before');
  await configure({ hooks: {} });
});

it('a cache that is not reached is a warning that says what to do', async () => {
  await cache.stop();
  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(restored.warnings).toEqual([
    expect.stringMatching(/^the object cache of gazette\.example was not flushed.*cannot be reached.*wp cache flush/),
  ]);
  expect(await title()).toBe('As saved');
});
