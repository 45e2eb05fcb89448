import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fingerprint, currentDatabase, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { breakWordPress } from '../../scripts/lab/wordpress';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import type { MaintenanceFile } from '../../src/core/sites/maintenance-file';
import { siteKindOf } from '../../src/core/sites/site-kinds';
import { type Lab, type WordPressSite, cli, cliJson, leftovers, shell, startLab } from '../helpers/e2e';

jest.setTimeout(240_000);

let lab: Lab;
let worker: WorkerProcess;
let site: WordPressSite;
let neighbour: WordPressSite;
let saved: Fingerprint;
let neighbourBefore: Fingerprint;
let backup: BackupResult;

const look = (of: WordPressSite): Promise<Fingerprint> => fingerprint(of, lab.nginx.port, lab.mariadb);

beforeAll(async () => {
  lab = await startLab({
    sites: ['gazette.example', 'neighbour.example'],
    withoutAdministration: false,
    phpSettings: { 'opcache.validate_timestamps': '0' },
  });
  worker = await startWorkerProcess(lab.environment);
  [site, neighbour] = lab.sites as [WordPressSite, WordPressSite];
  for (const { uri } of lab.sites) await cliJson(lab, 'sites', 'adopt', uri);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

/** Asks again and again, as visitors do, and remembers what they were told. They leave the machine some air. */
function visitors(): { stop(): Promise<{ path: string; status: number; retryAfter: unknown; body: string }[]> } {
  const answers: { path: string; status: number; retryAfter: unknown; body: string }[] = [];
  let going = true;
  const ask = async (path: string): Promise<void> => {
    while (going) {
      const { status, headers, body } = await get(lab.nginx.port, site.uri, path);
      answers.push({ path, status, retryAfter: headers['retry-after'], body: body.toString('latin1').slice(0, 300) });
      await delay(20);
    }
  };
  const asking = Promise.all(['/', '/wp-content/uploads/mit%20Leerzeichen.txt', '/wp-login.php'].map(ask));
  return {
    async stop() {
      going = false;
      await asking;
      return answers;
    },
  };
}

/** As WordPress keeps who is logged in. */
const SESSION = `a:1:{s:64:"${'5e'.repeat(32)}";a:2:{s:10:"expiration";i:4000000000;s:5:"login";i:1764000000;}}`;

it('a backup changes nothing and can be read by hand', async () => {
  await lab.mariadb.query(
    `INSERT INTO \`${site.database}\`.wp_usermeta (user_id, meta_key, meta_value) VALUES (1, 'session_tokens', '${SESSION}')`,
  );
  saved = await look(site);
  neighbourBefore = await look(neighbour);
  const before = await leftovers(lab);
  backup = await cliJson<BackupResult>(lab, 'backup', site.uri, '-m', 'before the update');
  expect(backup.backup.description).toBe('before the update');
  expect(differences(saved, await look(site))).toEqual([]);
  expect(await leftovers(lab)).toEqual(before);
  const names = shell('tar', '-t', '--use-compress-program=zstd', '-f', backup.backup.path).split('\n');
  expect(names.slice(0, 2)).toEqual(['./database.sql', './.kedge/backup.json']);
  expect(names).toContain('./.kedge/site/database.sql');
  expect(shell('sha256sum', backup.backup.path)).toContain(backup.backup.sha256);
});

it('restored equals saved: pages, files, tables, definitions; a file added later is gone; the neighbour is untouched', async () => {
  await breakWordPress(site, lab.mariadb);
  await lab.mariadb.query(`DELETE FROM \`${site.database}\`.wp_usermeta WHERE meta_key = 'session_tokens'`);
  expect(differences(saved, await look(site)).length).toBeGreaterThan(5);
  const before = await leftovers(lab);
  const oldDatabase = site.database;

  const watching = visitors();
  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  const answers = await watching.stop();

  expect(restored).toMatchObject({
    ...{ site: site.uri, restored: backup.backup.id },
    logins: [expect.stringMatching(/^1 session of 1 account is valid again/)],
  });
  expect(differences(saved, await look(site))).toEqual([]);
  expect(differences(neighbourBefore, await look(neighbour))).toEqual([]);

  // During the window every page, static file and script is answered 503 with Retry-After.
  for (const path of new Set(answers.map((answer) => answer.path))) {
    const maintained = answers.filter((answer) => answer.path === path && answer.status === 503);
    expect([path, maintained.length > 0]).toEqual([path, true]);
    for (const answer of maintained) expect(answer.retryAfter).toMatch(/^\d+$/);
  }
  expect(answers.at(-1)?.status).toBe(200);

  // The adopted database is kept, its account locked; what the restore made is the site's now; nothing else is left.
  const after = await leftovers(lab);
  const database = await currentDatabase(site);
  expect(database).not.toBe(oldDatabase);
  expect(after).toEqual({
    ...before,
    databases: [...(before['databases'] ?? []), database].sort(),
    accounts: [expect.stringMatching(/^gazetteexample\w+@localhost$/) as unknown, ...(before['accounts'] ?? [])],
    grants: expect.any(Array) as unknown,
    sites: ['.kedge', ...(before['sites'] ?? [])],
    locked: [...(before['locked'] ?? []), `${site.user}@localhost`].sort(),
  });
  const listed = await cliJson<{ backups: { id: string; description: string; trigger: string }[] }>(
    lab,
    'backups',
    site.uri,
  );
  expect(listed.backups.map(({ id, description }) => [id, description])).toEqual([
    [restored.safetyBackup, 'Generated before being restored to a previous version'],
    [backup.backup.id, 'before the update'],
  ]);
});

it('the restored site works: it writes, its trigger, function and event run under its own account', async () => {
  const database = await currentDatabase(site);
  await lab.mariadb.query(`INSERT INTO \`${database}\`.wp_kedge_visits (page) VALUES ('after')`);
  expect(await lab.mariadb.query(`SELECT what FROM \`${database}\`.wp_kedge_log ORDER BY id DESC LIMIT 1`)).toContain(
    'DEFINER=after',
  );
  expect(await lab.mariadb.query(`SELECT \`${database}\`.kedge_double(21)`)).toBe('42\n');
  const [definer = '', status] = (
    await lab.mariadb.query(`SELECT definer, status FROM information_schema.events WHERE event_schema='${database}'`)
  )
    .trim()
    .split('\t');
  expect(definer).toMatch(/^gazetteexample\w+@localhost$/);
  expect(status).toBe('ENABLED');
  expect(await lab.mariadb.query(`SELECT visits FROM \`${database}\`.wp_kedge_pages WHERE page='after'`)).toBe('1\n');
});

it('a second restore drops what the first one made; one to its safety backup works too, and leaves maintenance on that was on', async () => {
  const first = await currentDatabase(site);
  const before = await leftovers(lab);
  await writeFile(join(site.root, 'another.php'), 'x');
  const again = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(differences(saved, await look(site))).toEqual([]);
  const second = await currentDatabase(site);
  const after = await leftovers(lab);
  expect(after['databases']).toEqual(
    (before['databases'] ?? []).map((name) => (name === first ? second : name)).sort(),
  );
  expect(after['accounts']).toHaveLength(before['accounts']?.length ?? 0);
  expect(after['locked']).toEqual(before['locked']);

  await writeFile(join(lab.nginx.address.flags, site.uri), '');
  const back = await cliJson<RestoreResult>(lab, 'restore', site.uri, again.safetyBackup, '--yes');
  expect(back.restored).toBe(again.safetyBackup);
  expect(await readFile(join(site.root, 'another.php'), 'utf8')).toBe('x');
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(503);
  shell('rm', join(lab.nginx.address.flags, site.uri));
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
});

it('a quiesced backup puts the site into maintenance and back, and lifts the fence', async () => {
  const watching = visitors();
  const quiet = await cliJson<BackupResult>(lab, 'backup', site.uri, '--quiesce', '--compression', 'gzip');
  const answers = await watching.stop();
  expect(shell('tar', '-tzf', quiet.backup.path)).not.toContain('./.maintenance');
  expect(existsSync(join(site.root, '.maintenance'))).toBe(false);
  expect(answers.some((answer) => answer.status === 503)).toBe(true);
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
});

it('the file that shuts WordPress itself does so', async () => {
  const { path, content } = siteKindOf({ kind: 'wordpress' }).maintenanceFile as MaintenanceFile;
  await writeFile(join(site.root, path), content);
  const { status, body } = await get(lab.nginx.port, site.uri, '/');
  shell('rm', join(site.root, path));
  expect([status, body.toString()]).toEqual([503, expect.stringContaining('scheduled maintenance')]);
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
});

it('verify says all is well, tasks and logs are there', async () => {
  expect(await cliJson(lab, 'verify', site.uri)).toMatchObject({ status: 200, site: site.uri });
  const { tasks } = await cliJson<{ tasks: { task: string; status: string; type: string }[] }>(lab, 'tasks', site.uri);
  expect(tasks.every((task) => task.status === 'done')).toBe(true);
  expect(tasks[0]?.type).toBe('verify');
  const log = await cli(lab, 'log', tasks[0]?.task ?? '');
  expect(log.stdout).toMatch(/probeSite: done/);
});
