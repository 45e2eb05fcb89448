import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { Draw } from '../../scripts/lab/draw';
import { type Fingerprint, differences, fingerprint } from '../../scripts/lab/fingerprint';
import { breakWordPress } from '../../scripts/lab/wordpress';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import {
  type JournalView,
  type Lab,
  type WordPressSite,
  cli,
  cliJson,
  journalsOf,
  leftovers,
  markedProcesses,
  startLab,
} from '../helpers/e2e';
import { type CrashPlace, behindRename, startCrashingWorker } from '../helpers/running-process';
import { StruckLab, describeStrike, everyPlace, strikeAt } from '../helpers/struck-tasks';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);

let lab: Lab;
let worker: WorkerProcess | null;
let site: WordPressSite;
let backup: BackupResult;
let saved: Fingerprint;
/** Crashes at the same time, elsewhere. */
let other: { site: WordPressSite; backup: BackupResult; saved: Fingerprint };

const look = (of: WordPressSite): Promise<Fingerprint> => fingerprint(of, lab.nginx.port, lab.mariadb);

async function save(of: WordPressSite): Promise<{ site: WordPressSite; backup: BackupResult; saved: Fingerprint }> {
  await cliJson(lab, 'sites', 'adopt', of.uri);
  return { site: of, saved: await look(of), backup: await cliJson<BackupResult>(lab, 'backup', of.uri) };
}

beforeAll(async () => {
  lab = await startLab({
    sites: ['gazette.example', 'other.example', ...['a', 'b', 'c'].map((name) => `${name}.example`)],
  });
  worker = await startWorkerProcess(lab.environment);
  const [first, second] = lab.sites as [WordPressSite, WordPressSite];
  ({ site, backup, saved } = await save(first));
  other = await save(second);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

const newest = (): JournalView | undefined =>
  journalsOf(lab, 'restore')
    .filter(({ task }) => task.startsWith(site.uri))
    .at(-1);

it('worker killed in the import: it starts again in a fresh database, and nothing of the first attempt is left', async () => {
  await breakWordPress(site, lab.mariadb);
  const restoring = cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
  await until('the import has made a table', async () => {
    const database = newest()?.created;
    if (!database?.importBegan) return false;
    const name = database.databases.at(-1) ?? '';
    return (
      (
        await lab.mariadb.query(`SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='${name}'`)
      ).trim() !== '0'
    );
  });
  await worker?.kill();
  await until('every process of the killed worker has ended', () => markedProcesses(lab).length === 0);
  const [first] = newest()?.created?.databases ?? [];
  worker = await startWorkerProcess(lab.environment);
  const restored = await restoring;
  expect(restored.restored).toBe(backup.backup.id);
  expect(differences(saved, await look(site))).toEqual([]);
  const left = await leftovers(lab);
  expect(left).toMatchObject({ staging: [], spool: [], open: [], temporary: [], processes: [] });
  const databases = newest()?.created?.databases ?? [];
  expect(databases).toEqual([first, expect.not.stringMatching(`^${first}$`)]);
  expect((left['databases'] ?? []).filter((name) => name.startsWith('gazetteexample'))).toEqual([databases[1]]);
});

it('worker or database server killed while definitions are proved: the backup is made, and nothing of the proof is left', async () => {
  const scratch = `LIKE 'otherexample%0'`;
  const there = (): Promise<string> =>
    lab.mariadb.query(
      `SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME ${scratch}; SELECT DISTINCT User FROM mysql.user WHERE User ${scratch}`,
    );
  /** Whoever logs in to prove definitions waits there, and cannot be seen among the connections. */
  const waiting =
    "BEGIN NOT ATOMIC WHILE USER() LIKE 'otherexample%0@%' AND @@GLOBAL.init_connect <> '' DO DO SLEEP(0.2); END WHILE; END";
  const backUp = async (): Promise<{ backing: Promise<BackupResult> }> => {
    await rm(join(lab.state, 'proofs'), { recursive: true, force: true });
    await lab.mariadb.query(`SET GLOBAL init_connect = "${waiting}"`);
    const backing = cliJson<BackupResult>(lab, 'backup', other.site.uri);
    await until('there are database and account', async () => (await there()).trim().split('\n').length === 2);
    return { backing };
  };

  const overWorker = await backUp();
  await worker?.kill();
  await until('every process of the killed worker has ended', () => markedProcesses(lab).length === 0);
  expect(await there()).not.toBe('');
  await lab.mariadb.query("SET GLOBAL init_connect = ''");
  worker = await startWorkerProcess(lab.environment);
  expect((await overWorker.backing).warnings).not.toContainEqual(expect.stringMatching(/could not be/));
  expect(await readdir(join(lab.state, 'proofs'))).toHaveLength(1);
  expect(await there()).toBe('');

  const overServer = await backUp();
  lab.mariadb.kill();
  await lab.mariadb.start();
  expect((await overServer.backing).warnings).toContainEqual(expect.stringMatching(/could not be tried/));
  await cli(lab, 'doctor', '--sweep');
  expect(await there()).toBe('');
});

it.each<[string, CrashPlace, CrashPlace]>([
  ['between the two renames of a switch, and behind those of another', behindRename(1), behindRename(2)],
  [
    'behind the flag that it raised, and behind the password that it set',
    { part: 'webServer', act: 'raiseMaintenance', times: 1, when: 'behind' },
    { part: 'databaseServer', act: 'createAccount', times: 2, when: 'behind' },
  ],
])('worker killed %s: both restores finish after a restart', async (_where, one, another) => {
  await worker?.stop();
  worker = null;
  const crashed = await startCrashingWorker(lab, { [site.uri]: one, [other.site.uri]: another });
  const restores = [{ site, backup, saved }, other];
  const tasks = await Promise.all(
    restores.map(({ site: { uri }, backup: { backup: saving } }) =>
      cliJson<{ task: string }>(lab, 'restore', uri, saving.id, '--yes', '--detach'),
    ),
  );
  expect(await crashed.ended).toBe('SIGKILL');
  expect(restores.map(({ site: { root } }) => existsSync(root))).toEqual([one.act !== 'rename', true]);
  worker = await startWorkerProcess(lab.environment);
  for (const { task } of tasks) {
    await until(
      `${task} has ended`,
      () => journalsOf(lab, 'restore').find((journal) => journal.task === task)?.outcome?.status === 'done',
      90_000,
    );
    expect((await cli(lab, 'log', task)).stdout).toMatch(/commitSwitch: done/);
  }
  // Also that nobody is kept out: the page was not up before.
  for (const restored of restores) expect(differences(restored.saved, await look(restored.site))).toEqual([]);
  expect(await leftovers(lab)).toMatchObject({ staging: [], spool: [], open: [], temporary: [], processes: [] });
});

it('Temporal killed in mid-restore: the task goes on when it is back', async () => {
  const submitted = await cliJson<{ task: string }>(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
  await until('the dump has begun', async () =>
    (await cli(lab, 'log', submitted.task)).stdout.includes('dumpDatabase: began'),
  );
  await lab.temporal.kill();
  await lab.temporal.start();
  await until('the restore has ended', async () => newest()?.outcome?.status === 'done', 120_000);
  expect(differences(saved, await look(site))).toEqual([]);
});

/* All places, and other victims: test/full/crash-matrix.test.ts. */
const drawn = new Draw(SEED, 'crash');
const all = everyPlace();
const places = [
  ...drawn.several(
    all.filter(({ kind, fails }) => kind === 'restore' && fails === null),
    2,
  ),
  drawn.of(all.filter(({ fails }) => fails !== null)),
  drawn.of(all.filter(({ kind, fails }) => kind !== 'restore' && fails === null)),
];
const strikes = (['worker', 'paused worker'] as const).map((victim) =>
  places.map((place) => strikeAt(place, victim, drawn)),
);

it(`KEDGE_SEED=${SEED}: ${strikes.flat().map(describeStrike).join('; ')}: each task ends as it would have`, async () => {
  await worker?.stop();
  worker = null;
  const struck = await StruckLab.prepare(lab, drawn);
  try {
    for (const batch of strikes) expect(await struck.strike(batch)).toEqual({ problems: [], held: batch.length });
  } finally {
    await struck.stop();
  }
}, 600_000);
