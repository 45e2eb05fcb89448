import { randomUUID } from 'node:crypto';
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { fingerprint } from '../../scripts/lab/fingerprint';
import { startWorkerProcess } from '../../scripts/demo/kedge';
import { backupRecordSchema } from '../../src/contract/backup-record';
import { type BackupsCheck, backupsCheckSchema, restorePlanSchema } from '../../src/contract/documents';
import { doctorReportSchema } from '../../src/contract/findings';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  journalsOf,
  leftovers,
  startLab,
} from '../helpers/e2e';
import { forgeBackup } from '../helpers/forge-backup';
import { startOnTerminal } from '../helpers/running-process';

jest.setTimeout(180_000);

let lab: Lab;
let site: WordPressSite;
/** Backups that are whole. */
let good: string[];
let restored: RestoreResult;

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  [site] = lab.sites as [WordPressSite];
  await cliJson(lab, 'sites', 'adopt', site.uri);
  const worker = await startWorkerProcess(lab.environment);
  try {
    const first = await cliJson<BackupResult>(lab, 'backup', site.uri, '-m', 'first');
    good = [first.backup.id];
  } finally {
    await worker.stop();
  }
});
afterAll(() => lab?.stop());

async function plan(...options: string[]) {
  const { exitCode, stdout } = await cli(lab, 'restore', site.uri, 'latest', '--dry-run', '--json', ...options);
  return { exitCode, ...restorePlanSchema.parse(JSON.parse(stdout)) };
}

describe('kedge restore --dry-run', () => {
  it('needs no worker, changes nothing, and calls times rough while no restore tells more', async () => {
    const look = async () => [
      await fingerprint(site, lab.nginx.port, lab.mariadb),
      await leftovers(lab),
      journalsOf(lab),
    ];
    const before = await look();
    const found = await plan();
    expect(await look()).toEqual(before);

    const record = backupRecordSchema.parse(
      JSON.parse(await readFile(join(lab.backups, site.uri, `${good[0]}.json`), 'utf8')),
    );
    expect(found).toMatchObject({ exitCode: 0, site: site.uri, backup: good[0], warnings: [] });
    expect(new Set(found.steps.map(({ basis }) => basis))).toEqual(new Set(['rough']));
    expect(found.steps).toContainEqual(expect.objectContaining({ step: 'deploy', bytes: record.bytes }));
    expect(found.steps).toContainEqual(expect.objectContaining({ step: 'importDatabase', bytes: record.dumpBytes }));
    expect(found.space.map(({ place }) => place)).toEqual(
      expect.arrayContaining(['backups', 'spool', 'web staging', 'database server']),
    );
    expect(found.hooks).toEqual([]);
    expect(found.expectedDowntimeMs).toBeLessThan(found.expectedMs);
  });

  it('after a restore: its steps, and what they took', async () => {
    const worker = await startWorkerProcess(lab.environment);
    try {
      restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, 'latest', '--yes');
    } finally {
      await worker.stop();
    }
    good.push(restored.safetyBackup);
    const { lines } = await cliJson<{ lines: { event?: string; step: string; durationMs?: number }[] }>(
      lab,
      'log',
      restored.task,
    );
    const done = lines.filter(({ event }) => event === 'done');
    const found = await plan();
    const configuration = await readFile(lab.configuration, 'utf8');
    await writeFile(
      lab.configuration,
      configuration.replace(/^( *)vhost: managed$/m, '$&\n$1hooks: { fenced: [/bin/true] }'),
    );
    const { stdout } = await cli(lab, 'restore', site.uri, good[0] ?? '', '--dry-run');
    await writeFile(lab.configuration, configuration);

    expect(restored.restored).toBe(good[0]);
    // It runs beside the dump and ends before or after it.
    const inOrder = (all: readonly { step: string }[]): string[] =>
      all.map(({ step }) => step).filter((step) => step !== 'syncRemote');
    expect(inOrder(found.steps)).toEqual(inOrder(done));
    expect(found.steps).toHaveLength(done.length);
    expect(new Set(found.steps.map(({ basis }) => basis))).toEqual(new Set(['tasks']));
    const switched = done.find(({ step }) => step === 'switchSite');
    expect(found.steps).toContainEqual(
      expect.objectContaining({ step: 'switchSite', expectedMs: switched?.durationMs, bytes: null }),
    );
    expect(stdout).toContain(`Dry run: ${site.uri} would be restored to`);
    expect(stdout).toMatch(/^Import the dump +\S+ kB +\S+ s$/m);
    expect(stdout).toContain('Hooks that run too: fenced');
    expect(stdout).toContain('Times are expected from what earlier restores took.');
  });

  it('ends as the restore would: no such backup, a busy site, Temporal away', async () => {
    const dryRun = (backup: string) => cliFailure(lab, 'restore', site.uri, backup, '--dry-run');
    expect(await dryRun(`${site.uri}-20200101.000000`)).toMatchObject({ code: 'BackupUnknown', exitCode: 10 });

    const connection = await Connection.connect({ address: lab.temporal.address });
    // Nobody takes it: no worker runs.
    const holder = await new Client({ connection }).workflow.start('backup', {
      workflowId: `site/${site.uri}`,
      taskQueue: `nobody/${randomUUID()}`,
      args: [],
    });
    const busy = await dryRun('latest');
    const waiting = await plan('--wait-turn');
    await holder.terminate();
    await connection.close();
    expect(busy).toMatchObject({ code: 'SiteBusy', exitCode: 11 });
    expect(waiting).toMatchObject({ exitCode: 3, warnings: [expect.stringContaining('would wait for its turn')] });

    const away = { ...lab, environment: { ...lab.environment, TEMPORAL_ADDRESS: '127.0.0.1:1' } };
    expect(await cliFailure(away, 'restore', site.uri, 'latest', '--dry-run')).toMatchObject({
      code: 'TemporalUnreachable',
      exitCode: 12,
    });
  });

  it('ends as the restore would: other settings than Kedge knows, and an account that is shared', async () => {
    const settings = join(site.root, 'wp-config.php');
    const text = await readFile(settings, 'utf8');
    await writeFile(settings, text.replace(/^(define\('DB_NAME', ')\w+/m, '$1another'));
    const planned = await plan();
    await writeFile(settings, text);
    expect(planned).toMatchObject({ exitCode: 3 });
    expect(planned.warnings.join('\n')).toContain('name the database another, which no backup holds');

    const state = JSON.parse(await readFile(join(lab.state, 'sites', `${site.uri}.json`), 'utf8')) as {
      current: { account: { user: string; hosts: string[] } };
    };
    const { user, hosts } = state.current.account;
    const account = `'${user}'@'${hosts[0]}'`;
    await lab.mariadb.query(`CREATE DATABASE another; GRANT SELECT ON another.* TO ${account}`);
    const shared = await cliFailure(lab, 'restore', site.uri, 'latest', '--dry-run');
    const unfenced = await plan('--no-fence');
    await lab.mariadb.query(`REVOKE SELECT ON another.* FROM ${account}; DROP DATABASE another`);
    expect(shared).toMatchObject({
      code: 'AccountShared',
      exitCode: 1,
      message: expect.stringMatching(/: another too$/) as string,
    });
    expect(unfenced).toMatchObject({
      exitCode: 3,
      warnings: [
        expect.stringMatching(/not another \(its account may use it\)$/),
        expect.stringMatching(/may use another too; the one a restore makes may use of them what definitions/),
        expect.stringContaining('are not fenced'),
      ],
    });
  });

  it('a site with several databases is told so: by dry run, doctor, backup, and the record of the backup', async () => {
    const settings = join(site.root, 'wp-config.php');
    const before = await readFile(settings, 'utf8');
    await lab.mariadb.query('CREATE DATABASE gazette_archive');
    await writeFile(settings, before.replace('<?php', "<?php define('ARCHIVE_DB_NAME', 'gazette_archive');"));
    const several = expect.stringMatching(
      /^gazette\.example seems to use several databases; only \w+ is backed up and restored, not gazette_archive \(ARCHIVE_DB_NAME of its settings\)$/,
    ) as unknown;
    const worker = await startWorkerProcess(lab.environment);
    try {
      expect(await plan()).toMatchObject({ exitCode: 3, warnings: [several] });
      const report = doctorReportSchema.parse(JSON.parse((await cli(lab, 'doctor', '--json')).stdout));
      expect(report.findings.filter(({ check }) => check === 'site-databases')).toEqual([
        expect.objectContaining({ level: 'warning', site: site.uri, message: several }),
      ]);
      const { backup, warnings } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      expect(warnings).toEqual([several]);
      const record: unknown = JSON.parse(await readFile(join(lab.backups, site.uri, `${backup.id}.json`), 'utf8'));
      expect(record).toMatchObject({ warnings: [several] });
      await cliJson(lab, 'backups', 'delete', backup.id, '--yes');
    } finally {
      await worker.stop();
      await writeFile(settings, before);
      await lab.mariadb.query('DROP DATABASE gazette_archive');
    }
    expect(await plan()).toMatchObject({ warnings: [] });
  });
});

describe('kedge backups check', () => {
  async function check(...args: string[]): Promise<BackupsCheck & { exitCode: number }> {
    const { exitCode, stdout } = await cli(lab, 'backups', 'check', ...args, '--json');
    return { exitCode, ...backupsCheckSchema.parse(JSON.parse(stdout)) };
  }
  const archiveOf = (id: string): string => join(lab.backups, site.uri, `${id}.tar.zst`);
  const recordOf = (id: string): string => join(lab.backups, site.uri, `${id}.json`);

  it('whole backups: all that there are, those of a site, one', async () => {
    const all = await check();
    expect(all).toMatchObject({ exitCode: 0, ok: true });
    expect(all.backups.map(({ backup }) => backup).sort()).toEqual([...good].sort());
    const sizes = await Promise.all(good.map(async (id) => (await readFile(archiveOf(id))).length));
    expect(new Set(all.backups.map(({ bytes }) => bytes))).toEqual(new Set(sizes));
    expect((await check('--site', site.uri)).backups).toHaveLength(good.length);
    expect((await check(good[0] ?? '')).backups).toHaveLength(1);
  });

  it('says what it reads while it does, on a terminal', async () => {
    const terminal = startOnTerminal(lab, ['backups', 'check']);
    await terminal.said(/1 of 2: gazette\.example-\S+ {2}[\d.]+ k?M?B of [\d.]+ MB/);
    expect(await terminal.end()).toBe(0);
    expect(terminal.stdout).toContain('All 2 are as their records say.');
  });

  it('each way to be damaged is told apart, the others are checked all the same', async () => {
    const forge = (without: string[]): Promise<string> => forgeBackup(lab, site.uri, good[0] ?? '', { without });
    const [corrupt, cut, gone, swapped, tableless, spoiled] = [
      await forge([]),
      await forge([]),
      await forge([]),
      await forge([]),
      await forge([]),
      await forge([]),
    ];
    const dumpless = await forge(['./database.sql']);
    const hostile = await forgeBackup(lab, site.uri, good[0] ?? '', { sql: 'SELECT SLEEP(600);' });
    const bytes = await readFile(archiveOf(corrupt));
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0xff, bytes.length >> 1);
    await writeFile(archiveOf(corrupt), bytes);
    await truncate(archiveOf(cut), bytes.length - 1000);
    await rm(archiveOf(gone));
    await writeFile(archiveOf(swapped), await readFile(archiveOf(good[1] ?? '')));
    const record = backupRecordSchema.parse(JSON.parse(await readFile(recordOf(tableless), 'utf8')));
    record.database.tables.push({ name: 'wp_missing', rows: 1 });
    await writeFile(recordOf(tableless), JSON.stringify(record));
    await writeFile(recordOf(spoiled), '{"schema": 1');

    const found = await check();
    const codes = Object.fromEntries(found.backups.map(({ backup, problem }) => [backup, problem?.code ?? null]));
    expect(found).toMatchObject({ exitCode: 1, ok: false });
    expect(codes).toEqual({
      [corrupt]: 'ArchiveInvalid',
      [cut]: 'ArchiveInvalid',
      [gone]: 'BackupDamaged',
      [swapped]: 'BackupDamaged',
      [tableless]: 'DumpInvalid',
      [dumpless]: 'DumpInvalid',
      [hostile]: 'DumpIncompatible',
      [spoiled]: 'RecordInvalid',
      ...Object.fromEntries(good.map((id) => [id, null])),
    });
    expect(found.backups.find(({ backup }) => backup === tableless)?.problem?.message).toContain('wp_missing');
    const problem = found.backups.find(({ backup }) => backup === hostile)?.problem;
    expect(problem?.message).toContain('SELECT SLEEP');
    // Word for word what a restore says.
    const { message, hint } = await cliFailure(lab, 'restore', site.uri, hostile, '--dry-run');
    expect(problem).toMatchObject({ message, hint });

    expect(await check(gone)).toMatchObject({ exitCode: 1, backups: [{ backup: gone, archive: null, bytes: 0 }] });
    expect(await check(...good)).toMatchObject({ exitCode: 0 });
    expect(await cliFailure(lab, 'restore', site.uri, cut, '--dry-run')).toMatchObject({
      code: 'ArchiveInvalid',
      exitCode: 1,
    });
    const { stdout, stderr } = await cli(lab, 'backups', 'check', cut, good[0] ?? '');
    expect(stdout).toBe(`1 of 2 cannot be relied on: ${cut}\n`);
    expect(stderr).toMatch(new RegExp(`✗ ${cut}  .* is cut short or corrupt`));
  });

  it('a backup from before backups were proved: asks the database server, once, and leaves nothing there', async () => {
    const forgotten = (): Promise<void> => rm(join(lab.state, 'proofs'), { recursive: true, force: true });
    const known = async (): Promise<number> => (await readdir(join(lab.state, 'proofs'))).length;
    const names = (): Promise<string> =>
      lab.mariadb.query('SELECT SCHEMA_NAME FROM information_schema.SCHEMATA; SELECT User, Host FROM mysql.user');
    const before = [await names(), await leftovers(lab)];
    const [id = ''] = good;
    await forgotten();
    expect(await check(id)).toMatchObject({ exitCode: 0 });
    expect(await known()).toBe(1);
    await forgotten();
    expect(await plan()).toMatchObject({ exitCode: 0, warnings: [] });
    expect(await known()).toBe(1);

    // A body that no server takes.
    const refused = await forgeBackup(lab, site.uri, id, {
      sql: 'CREATE VIEW wp_broken AS SELECT no_such_column FROM wp_options;',
    });
    const found = await check(refused);
    expect(found).toMatchObject({ exitCode: 1, ok: false, backups: [{ problem: { code: 'DumpIncompatible' } }] });
    const problem = found.backups[0]?.problem;
    expect(problem?.message).toMatch(/^this backup could not be restored here: .*no_such_column/);
    const { message, hint } = await cliFailure(lab, 'restore', site.uri, refused, '--dry-run');
    expect(problem).toMatchObject({ message, hint });
    expect([await names(), await leftovers(lab)]).toEqual(before);
    expect(await readdir(join(lab.state, 'scratch'))).toEqual([]);

    await forgotten();
    await lab.mariadb.stop();
    try {
      const asked = await check(id);
      expect(asked).toMatchObject({ exitCode: 3, ok: true });
      expect(asked.backups[0]?.notTried).toMatch(/could not be tried/);
    } finally {
      await lab.mariadb.start();
    }
  });

  it('what is no backup', async () => {
    const unknown = await cliFailure(lab, 'backups', 'check', `${site.uri}-20200101.000000`);
    expect(unknown).toMatchObject({ code: 'BackupUnknown', exitCode: 10 });
    expect(await cliFailure(lab, 'backups', 'check', '--site', 'no.example')).toMatchObject({ exitCode: 10 });
    expect(await cliFailure(lab, 'backups', 'check', good[0] ?? '', '--site', site.uri)).toMatchObject({ exitCode: 2 });
  });
});
