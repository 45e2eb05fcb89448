import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Journals } from '../../../src/core/tasks/journals';
import { type LeaseLimits, Leases } from '../../../src/core/tasks/leases';
import { newTask } from '../../helpers/new-task';

let folder: string;
let journals: Journals;
let limits: LeaseLimits;
const master = createLocalHost({ name: 'master' });
/** Those of another worker are over the same folders. */
const newLeases = (): Leases => new Leases(join(folder, 'leases'), { master, journals, limits: async () => limits });
let leases: Leases;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-leases-'));
  journals = new Journals(join(folder, 'tasks'), join(folder, 'open'), master, () => undefined);
  limits = { backups: 2, restores: 1 };
  leases = newLeases();
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const everyRun = async (): Promise<boolean> => true;

/** Begins a task, submitted in this second. */
async function begin(second: number, type: 'backup' | 'restore' = 'backup'): Promise<string> {
  const site = `site${second}.example`;
  const task = `${site}-20261124.0000${String(second).padStart(2, '0')}-${type}`;
  await journals.begin(newTask({ task, site, type }));
  return task;
}

const close = (task: string): Promise<void> =>
  journals.close(task, { status: 'done', ended: new Date().toISOString(), code: null, message: null, warnings: [] });

it('gives as many as there may be, then in the order of submission, each when the journal of one before is closed', async () => {
  const tasks: string[] = [];
  for (const second of [1, 2, 3, 4, 5]) tasks.push(await begin(second));
  const [a = '', b = '', c = '', d = '', e = ''] = tasks;
  // Asked in another order, and by several workers.
  expect(await leases.ask(b, 'backups', everyRun)).toBeNull();
  expect(await newLeases().ask(a, 'backups', everyRun)).toBeNull();
  expect(await leases.ask(e, 'backups', everyRun)).toBe(1);
  expect(await leases.ask(c, 'backups', everyRun)).toBe(1);
  expect(await newLeases().ask(d, 'backups', everyRun)).toBe(2);
  expect(await leases.ask(e, 'backups', everyRun)).toBe(3);
  // A repeated attempt has what it has.
  expect(await newLeases().ask(a, 'backups', everyRun)).toBeNull();
  await close(a);
  expect(await leases.ask(e, 'backups', everyRun)).toBe(2);
  expect(await leases.ask(d, 'backups', everyRun)).toBe(1);
  expect(await leases.ask(c, 'backups', everyRun)).toBeNull();
  expect(await leases.ask(d, 'backups', everyRun)).toBe(1);
  await Promise.all([close(b), close(c)]);
  expect(await leases.ask(e, 'backups', everyRun)).toBeNull();
  expect(await leases.ask(d, 'backups', everyRun)).toBeNull();
  await Promise.all([close(d), close(e)]);
  await leases.ask(await begin(6), 'backups', everyRun);
  expect((await readdir(join(folder, 'leases', 'backups'))).filter((name) => !name.startsWith('.'))).toHaveLength(1);
});

it('never gives more than there may be, whoever asks at the same moment', async () => {
  const tasks = await Promise.all(Array.from({ length: 20 }, (_, second) => begin(second)));
  const answers = await Promise.all(tasks.map((task) => newLeases().ask(task, 'backups', everyRun)));
  expect(answers.filter((answer) => answer === null)).toHaveLength(2);
});

it('a restore does not wait for backups, nor a backup for restores', async () => {
  for (const second of [1, 2, 3]) await leases.ask(await begin(second), 'backups', everyRun);
  expect(await leases.ask(await begin(4, 'restore'), 'restores', everyRun)).toBeNull();
  expect(await leases.ask(await begin(5, 'restore'), 'restores', everyRun)).toBe(1);
});

it('a limit that is changed holds for whoever asks next', async () => {
  const tasks = [await begin(1), await begin(2), await begin(3)];
  for (const task of tasks) await leases.ask(task, 'backups', everyRun);
  limits = { backups: 3, restores: 1 };
  expect(await leases.ask(tasks[2] ?? '', 'backups', everyRun)).toBeNull();
  limits = { backups: 1, restores: 1 };
  expect(await leases.ask(await begin(4), 'backups', everyRun)).toBe(1);
});

it.each<[string, (task: string) => Promise<unknown>, boolean]>([
  ['is being undone', (task) => journals.recordUndo(task, { undoing: true }), true],
  ['has only to be finished', (task) => journals.recordUndo(task, { committed: true }), true],
  ['lost its workflow', async () => undefined, false],
])('a task that %s keeps no other waiting', async (_what, happens, runs) => {
  limits = { backups: 1, restores: 1 };
  const [first, second] = [await begin(1), await begin(2)];
  expect(await leases.ask(first, 'backups', everyRun)).toBeNull();
  expect(await leases.ask(second, 'backups', everyRun)).toBe(1);
  await happens(first);
  expect(
    await leases.ask(second, 'backups', async ({ workflowId }) => runs || workflowId !== 'site/site1.example'),
  ).toBeNull();
});

it('who has closed while waiting, or asks no more, keeps nobody waiting', async () => {
  limits = { backups: 1, restores: 1 };
  const [holder, closed, silent, last] = [await begin(1), await begin(2), await begin(3), await begin(4)];
  for (const task of [holder, closed, silent, last]) await leases.ask(task, 'backups', everyRun);
  await close(closed);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(join(folder, 'leases', 'backups', `${silent}.waiting`), longAgo, longAgo);
  await close(holder);
  expect(await leases.ask(last, 'backups', everyRun)).toBeNull();
  // Nor who asked before the clock was set back.
  const toCome = new Date(Date.now() + 86_400_000);
  await leases.ask(silent, 'backups', everyRun);
  await utimes(join(folder, 'leases', 'backups', `${silent}.waiting`), toCome, toCome);
  const next = await begin(5);
  await leases.ask(next, 'backups', everyRun);
  await close(last);
  expect(await leases.ask(next, 'backups', everyRun)).toBeNull();
  await close(next);
  const again = await begin(6);
  expect(await leases.ask(again, 'backups', everyRun)).toBeNull();
  // It finds its place again.
  expect(await leases.ask(silent, 'backups', everyRun)).toBe(1);
  await close(again);
  expect(await leases.ask(silent, 'backups', everyRun)).toBeNull();
});
