import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { KedgeClient, type TaskHandle } from '../../src/client';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, cli, cliJson, leftovers, startLab } from '../helpers/e2e';
import { type SmallSite, addSmallSites, keptShut } from '../helpers/many-sites';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

const COUNT = 10;
const LIMIT = 2;
let lab: Lab;
let worker: WorkerProcess;
let client: KedgeClient;
let sites: SmallSite[];
/** Lines of the worker. */
const said: string[] = [];

/** The hook of the first sites waits, fenced, until its site has this file. */
const GO_ON = 'go-on';
const HOLDING = { fenced: ['sh', '-c', `until [ -e ${GO_ON} ]; do sleep 0.05; done`] };

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  const settings = (index: number): object => (index < LIMIT ? { hooks: HOLDING } : {});
  sites = await addSmallSites(lab, { count: COUNT, settings });
  writeFileSync(lab.configuration, `limits: { backups: ${LIMIT} }\n`, { flag: 'a' });
  await cliJson(lab, 'sites', 'adopt', 'gazette.example');
  worker = await startWorkerProcess(lab.environment, (line) => said.push(line));
  client = await KedgeClient.connect('lab', { ...process.env, ...lab.environment });
});
afterAll(async () => {
  await client?.close();
  await worker?.stop();
  await lab?.stop();
});

const shut = (): string[] => readdirSync(lab.nginx.address.flags).filter((name) => name.endsWith('.example'));
const uri = (index: number): string => sites[index]?.uri ?? '';
const backUp = (index: number): Promise<TaskHandle<BackupResult>> => client.backup({ site: uri(index), quiesce: true });
const configure = (line: RegExp, instead: string): void =>
  writeFileSync(lab.configuration, readFileSync(lab.configuration, 'utf8').replace(line, instead));
/** Begins a quiesced backup that stays in maintenance until `goOn`. */
const hold = async (index: number): Promise<TaskHandle<BackupResult>> => {
  rmSync(join(sites[index]?.root ?? '', GO_ON), { force: true });
  const handle = await backUp(index);
  await until('it is in maintenance', () => shut().length === 1);
  return handle;
};
const goOn = (index: number): void => writeFileSync(join(sites[index]?.root ?? '', GO_ON), '');

it('no site is shut before its dump can begin; restores and undo do not wait; whoever is cancelled keeps nobody waiting', async () => {
  const saved = await cliJson<BackupResult>(lab, 'backup', 'gazette.example');
  const holding = [await backUp(0), await backUp(1)];
  await until('the first are in maintenance', () => shut().length === LIMIT);
  const others = await Promise.all(Array.from({ length: COUNT - LIMIT }, (_, index) => backUp(LIMIT + index)));
  const awaiting = async (handle: TaskHandle<BackupResult>): Promise<boolean> =>
    (await handle.status()).steps.some(({ step, lastFailure }) => step === 'awaitLease' && lastFailure !== null);
  await until('all others wait', async () => (await Promise.all(others.map(awaiting))).every(Boolean));
  expect(shut()).toHaveLength(LIMIT);
  // The terminal and the log say why nothing happens.
  const told = await cli(lab, 'log', others[0]?.task ?? '');
  expect(told.stdout).toMatch(/tasks? comes? first: limits\.backups says how many run at one time/);

  const restored = await cliJson<RestoreResult>(lab, 'restore', 'gazette.example', saved.backup.id, '--yes');
  expect(restored.restored).toBe(saved.backup.id);
  const [given, ...rest] = others;
  await given?.cancel();
  await expect(given?.result()).rejects.toMatchObject({ code: 'Cancelled' });
  await holding[0]?.cancel();
  await expect(holding[0]?.result()).rejects.toMatchObject({ code: 'Cancelled' });

  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, keptShut(lab))), 5);
  try {
    goOn(1);
    await Promise.all([...rest, ...holding.slice(1)].map((handle) => handle.result()));
  } finally {
    clearInterval(watch);
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(LIMIT);
  expect(shut()).toEqual([]);
  expect((await leftovers(lab))['open']).toEqual([]);
});

it('a limit that is raised in the file lets those in who wait', async () => {
  const holding = await hold(0);
  configure(/^limits: .*$/m, 'limits: { backups: 1 }');
  const second = await backUp(2);
  await until('it waits', async () => (await second.status()).steps.some(({ lastFailure }) => lastFailure !== null));
  configure(/^limits: .*$/m, 'limits: { backups: 2 }');
  expect((await second.result()).site).toBe(uri(2));
  expect(existsSync(join(sites[0]?.root ?? '', GO_ON))).toBe(false);
  goOn(0);
  await holding.result();
});

it('folders changed in the file hold for the next task, for its lists and its restore, and for none that runs', async () => {
  const running = await hold(0);
  const moved = join(lab.folder, 'moved');
  configure(/^backups: .*$/m, `backups: ${moved}\nspool: ${join(moved, '.spool')}`);
  goOn(0);
  const { backup } = await running.result();
  expect(backup.path).toBe(join(lab.backups, uri(0), `${backup.id}.tar.zst`));
  expect(existsSync(backup.path)).toBe(true);

  const next = await cliJson<BackupResult>(lab, 'backup', uri(2));
  expect(next.backup.path).toBe(join(moved, uri(2), `${next.backup.id}.tar.zst`));
  const listed = await client.listBackups({ site: uri(2) });
  expect(listed.backups.map(({ id }) => id)).toEqual([next.backup.id]);
  const restored = await cliJson<RestoreResult>(lab, 'restore', uri(2), next.backup.id, '--yes');
  expect(existsSync(join(moved, uri(2), `${restored.safetyBackup}.tar.zst`))).toBe(true);
});

it('another master in the file: the worker says so, begins no task, ends what runs, and then itself', async () => {
  const running = await hold(0);
  configure(/^master: lab$/m, 'master: elsewhere');
  await until('the worker says so', () => said.some((line) => line.includes('master is elsewhere now, and was lab')));
  await expect((await client.backup({ site: uri(3) })).result()).rejects.toMatchObject({
    code: 'ConfigurationChanged',
    state: 'the site is unchanged',
  });
  expect(worker.process.exitCode).toBeNull();
  goOn(0);
  expect((await running.result()).site).toBe(uri(0));
  await until('the worker has ended', () => worker.process.exitCode !== null);
  expect(worker.process.exitCode).toBe(2);
});
