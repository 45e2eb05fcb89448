import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, currentDatabase, differences, filesOf, fingerprint } from '../../scripts/lab/fingerprint';
import type { RestorePlan } from '../../src/contract/documents';
import { KedgeError } from '../../src/contract/errors';
import type { BackupResult, DeployResult, RestoreResult } from '../../src/contract/tasks';
import type { Host } from '../../src/core/hosts/host';
import { changingSites } from '../helpers/changed-sites';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  journalsOf,
  leftovers,
  shell,
  startLab,
  withWorkerInProcess,
} from '../helpers/e2e';
import { behindRename, startCrashingWorker } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let lab: Lab;
let worker: WorkerProcess | null;
let site: WordPressSite;
/** Where the uploads are: not in the site folder, but on the way there a link. */
let uploads: string;
let backup: BackupResult;
let saved: Fingerprint;
let savedUploads: Record<string, string>;

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  uploads = join(lab.folder, 'media/gazette');
  const script = `mkdir "$2"; mv "$1/wp-content/uploads" "$3"; ln -s "$3" "$1/wp-content/uploads"`;
  shell('sh', '-ec', script, 'sh', site.root, join(lab.folder, 'media'), uploads);
  declare({ uploads });
  await cliJson(lab, 'sites', 'adopt', site.uri);
  worker = await startWorkerProcess(lab.environment);
  saved = await fingerprint(site, lab.nginx.port, lab.mariadb);
  savedUploads = filesOf(join(lab.folder, 'media'));
  backup = await cliJson<BackupResult>(lab, 'backup', site.uri);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

let undeclared: string | null = null;
function declare(paths: Record<string, string>): void {
  undeclared ??= readFileSync(lab.configuration, 'utf8');
  writeFileSync(
    lab.configuration,
    undeclared.replace(/^( *)vhost: managed$/m, `$&\n$1paths: ${JSON.stringify(paths)}`),
  );
}

/** A bad day, in both folders. */
async function breakIt(): Promise<void> {
  await lab.mariadb.query(`DELETE FROM \`${await currentDatabase(site)}\`.wp_posts`);
  shell('sh', '-ec', 'cd "$1"; rm wp-login.php; echo added > added-later.php', 'sh', site.root);
  const script = `cd "$1"; rm -r 2026; echo spoiled > grüße.txt; chmod 600 by-another.bin; echo new > added-later.txt`;
  shell('sh', '-ec', script, 'sh', uploads);
}

/** The state that was backed up, in every folder of the site, and nothing of the task. */
async function expectSaved(): Promise<void> {
  expect(differences(saved, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  expect(filesOf(join(lab.folder, 'media'))).toEqual({ ...savedUploads, ...staging() });
  expect(await leftovers(lab)).toMatchObject({ staging: [], spool: [], open: [], temporary: [], processes: [] });
}

/** The folder for staging stays, empty. */
function staging(): Record<string, unknown> {
  return existsSync(join(lab.folder, 'media/.kedge')) ? { '.kedge': expect.stringMatching(/^folder 700 /) } : {};
}

const newest = () => journalsOf(lab, 'restore').at(-1);

it('a backup holds it, without a warning about the link; what Kedge shows of the site names it', async () => {
  expect(backup.warnings).toEqual([]);
  const roots = [
    { name: 'site', path: site.root },
    { name: 'uploads', path: uploads },
  ];
  expect(await cliJson(lab, 'backups', 'show', backup.backup.id)).toMatchObject({ roots });
  expect((await cli(lab, 'backups', 'show', backup.backup.id)).stdout).toContain(`uploads, ${uploads}`);
  expect(await cliJson(lab, 'sites', 'show', site.uri)).toMatchObject({ site: { paths: { uploads } } });
  expect(await cliJson(lab, 'backups', 'check', backup.backup.id)).toMatchObject({ ok: true });
  const plan = await cliJson<RestorePlan>(lab, 'restore', site.uri, 'latest', '--dry-run');
  expect(plan.warnings).toEqual([]);
  const places = plan.space.filter(({ place }) => place === 'web staging');
  expect(places.map(({ path }) => path)).toEqual([site.root, uploads]);
  expect(places[1]?.bytes).toBeGreaterThan(300_000);
});

it('a restore brings both folders back: contents, modes, owners; what was added is gone', async () => {
  await breakIt();
  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(restored.warnings).toEqual([]);
  await expectSaved();
});

it('worker killed between the renames of the two folders: the restore finishes, and both are the new ones', async () => {
  await worker?.stop();
  worker = null;
  await breakIt();
  const crashing = await startCrashingWorker(lab, { [site.uri]: behindRename(2) });
  await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
  expect(await crashing.ended).toBe('SIGKILL');
  // The one is new already, the other is not.
  expect(existsSync(join(site.root, 'added-later.php'))).toBe(false);
  expect(existsSync(join(uploads, 'added-later.txt'))).toBe(true);
  worker = await startWorkerProcess(lab.environment);
  await until('the restore has ended', () => newest()?.outcome?.status === 'done', 90_000);
  await expectSaved();
});

it('a switch that fails between the two: both are the old ones', async () => {
  await worker?.stop();
  worker = null;
  await breakIt();
  const before = [await fingerprint(site, lab.nginx.port, lab.mariadb), filesOf(uploads)];
  let renames = 0;
  const failing = (host: Host): Host =>
    new Proxy(host, {
      get(real, name: keyof Host) {
        if (name === 'rename')
          return async (from: string, to: string) => {
            renames += 1;
            if (renames === 4) throw new KedgeError('Internal', 'the last rename was made to fail');
            await real.rename(from, to);
          };
        const value: unknown = real[name];
        return typeof value === 'function' ? value.bind(real) : value;
      },
    });
  const failure = await withWorkerInProcess(
    lab,
    (real) => changingSites(real, ({ host }) => ({ host: failing(host) })),
    () => cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  expect(failure).toMatchObject({ message: 'the last rename was made to fail', state: 'the site is as it was before' });
  // Three forward and the one that failed; three back.
  expect(renames).toBe(7);
  expect([await fingerprint(site, lab.nginx.port, lab.mariadb), filesOf(uploads)]).toEqual(before);
  expect(readdirSync(join(lab.folder, 'media/.kedge'))).toEqual([]);
  expect(await leftovers(lab)).toMatchObject({ staging: [], spool: [], open: [], temporary: [], processes: [] });
  worker = await startWorkerProcess(lab.environment);
});

describe('a backup whose folders are not those of the configuration', () => {
  afterEach(() => declare({ uploads }));
  const dryRun = ['restore', 'gazette.example', 'latest', '--dry-run'];

  it('is refused where one would be lost, or would stay in another time', async () => {
    declare({});
    // Safety backups of the restores before are newer, and are not meant.
    expect(await cliFailure(lab, ...dryRun)).toMatchObject({
      code: 'PathsDiffer',
      exitCode: 1,
      message: `backup ${backup.backup.id} holds uploads, which the configuration does not declare: it would be lost`,
      hint: expect.stringContaining(`uploads: ${uploads}`) as unknown,
    });
    const more = join(lab.folder, 'more');
    shell('mkdir', more);
    shell('chown', '--reference', uploads, more);
    declare({ uploads, more });
    expect(await cliFailure(lab, ...dryRun)).toMatchObject({
      code: 'PathsDiffer',
      message: expect.stringContaining('does not hold more, which the configuration declares') as unknown,
    });
  });

  it('is taken where one has moved, with a warning', async () => {
    const moved = join(lab.folder, 'media/moved');
    shell('cp', '--archive', uploads, moved);
    declare({ uploads: moved });
    const { warnings } = await cliJson<RestorePlan>(lab, ...dryRun);
    expect(warnings.join('\n')).toContain(
      `uploads was at ${uploads} when the backup was made and is restored to ${moved}`,
    );
    shell('rm', '--recursive', moved);
  });
});

it('a lost site is deployed from its archive, with both folders', async () => {
  const archive = join(lab.folder, 'kept-elsewhere.tar.zst');
  await rename(backup.backup.path, archive);
  await lab.mariadb.query(
    `DROP DATABASE IF EXISTS \`${site.database}\`; DROP USER IF EXISTS '${site.user}'@'localhost'`,
  );
  shell('rm', '-rf', site.root, uploads, lab.backups, join(lab.state, 'sites'));
  const deployed = await cliJson<DeployResult>(lab, 'deploy', archive, site.uri);
  // All is the site owner's now: what was another's is given back to him, and then nothing differs.
  expect(deployed.warnings).toEqual([
    expect.stringContaining('./.kedge/roots/uploads/by-another.bin, ./wp-content/uploads'),
  ]);
  shell('chown', '1:1', join(uploads, 'by-another.bin'));
  shell('chown', '--no-dereference', '0:0', join(site.root, 'wp-content/uploads'));
  await expectSaved();
});
