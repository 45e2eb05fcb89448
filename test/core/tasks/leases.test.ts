import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Journals } from '../../../src/core/tasks/journals';
import { type LeaseKind, type LeaseLimits, Leases, type Runs } from '../../../src/core/tasks/leases';
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
  limits = { backups: 2, restores: 1, servers: {} };
  leases = newLeases();
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** How many come before a task; null when it has its lease. */
async function ask(
  by: Leases,
  task: string,
  kind: LeaseKind,
  runs: Runs,
  servers: readonly string[] = [],
): Promise<number | null> {
  return (await by.ask({ task, kind, servers }, runs))?.before ?? null;
}

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
  expect(await ask(leases, b, 'backups', everyRun)).toBeNull();
  expect(await ask(newLeases(), a, 'backups', everyRun)).toBeNull();
  expect(await ask(leases, e, 'backups', everyRun)).toBe(1);
  expect(await ask(leases, c, 'backups', everyRun)).toBe(1);
  expect(await ask(newLeases(), d, 'backups', everyRun)).toBe(2);
  expect(await ask(leases, e, 'backups', everyRun)).toBe(3);
  // A repeated attempt has what it has.
  expect(await ask(newLeases(), a, 'backups', everyRun)).toBeNull();
  await close(a);
  expect(await ask(leases, e, 'backups', everyRun)).toBe(2);
  expect(await ask(leases, d, 'backups', everyRun)).toBe(1);
  expect(await ask(leases, c, 'backups', everyRun)).toBeNull();
  expect(await ask(leases, d, 'backups', everyRun)).toBe(1);
  await Promise.all([close(b), close(c)]);
  expect(await ask(leases, e, 'backups', everyRun)).toBeNull();
  expect(await ask(leases, d, 'backups', everyRun)).toBeNull();
  await Promise.all([close(d), close(e)]);
  await ask(leases, await begin(6), 'backups', everyRun);
  expect((await readdir(join(folder, 'leases', 'backups'))).filter((name) => !name.startsWith('.'))).toHaveLength(1);
});

it('never gives more than there may be, whoever asks at the same moment', async () => {
  const tasks = await Promise.all(Array.from({ length: 20 }, (_, second) => begin(second)));
  const answers = await Promise.all(tasks.map((task) => ask(newLeases(), task, 'backups', everyRun)));
  expect(answers.filter((answer) => answer === null)).toHaveLength(2);
});

it('a restore does not wait for backups, nor a backup for restores', async () => {
  for (const second of [1, 2, 3]) await ask(leases, await begin(second), 'backups', everyRun);
  expect(await ask(leases, await begin(4, 'restore'), 'restores', everyRun)).toBeNull();
  expect(await ask(leases, await begin(5, 'restore'), 'restores', everyRun)).toBe(1);
});

it('a limit that is changed holds for whoever asks next', async () => {
  const tasks = [await begin(1), await begin(2), await begin(3)];
  for (const task of tasks) await ask(leases, task, 'backups', everyRun);
  limits = { backups: 3, restores: 1, servers: {} };
  expect(await ask(leases, tasks[2] ?? '', 'backups', everyRun)).toBeNull();
  limits = { backups: 1, restores: 1, servers: {} };
  expect(await ask(leases, await begin(4), 'backups', everyRun)).toBe(1);
});

it.each<[string, (task: string) => Promise<unknown>, boolean]>([
  ['is being undone', (task) => journals.recordUndo(task, { undoing: true }), true],
  ['has only to be finished', (task) => journals.recordUndo(task, { committed: true }), true],
  ['lost its workflow', async () => undefined, false],
])('a task that %s keeps no other waiting', async (_what, happens, runs) => {
  limits = { backups: 1, restores: 1, servers: {} };
  const [first, second] = [await begin(1), await begin(2)];
  expect(await ask(leases, first, 'backups', everyRun)).toBeNull();
  expect(await ask(leases, second, 'backups', everyRun)).toBe(1);
  await happens(first);
  expect(
    await ask(leases, second, 'backups', async ({ workflowId }) => runs || workflowId !== 'site/site1.example'),
  ).toBeNull();
});

it('who has closed while waiting, or asks no more, keeps nobody waiting', async () => {
  limits = { backups: 1, restores: 1, servers: {} };
  const [holder, closed, silent, last] = [await begin(1), await begin(2), await begin(3), await begin(4)];
  for (const task of [holder, closed, silent, last]) await ask(leases, task, 'backups', everyRun);
  await close(closed);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(join(folder, 'leases', 'backups', `${silent}.waiting`), longAgo, longAgo);
  await close(holder);
  expect(await ask(leases, last, 'backups', everyRun)).toBeNull();
  // Nor who asked before the clock was set back.
  const toCome = new Date(Date.now() + 86_400_000);
  await ask(leases, silent, 'backups', everyRun);
  await utimes(join(folder, 'leases', 'backups', `${silent}.waiting`), toCome, toCome);
  const next = await begin(5);
  await ask(leases, next, 'backups', everyRun);
  await close(last);
  expect(await ask(leases, next, 'backups', everyRun)).toBeNull();
  await close(next);
  const again = await begin(6);
  expect(await ask(leases, again, 'backups', everyRun)).toBeNull();
  // It finds its place again.
  expect(await ask(leases, silent, 'backups', everyRun)).toBe(1);
  await close(again);
  expect(await ask(leases, silent, 'backups', everyRun)).toBeNull();
});

it('no server gets more tasks than it takes, and those that wait for one hold up nobody elsewhere', async () => {
  limits = { backups: 4, restores: 1, servers: { web1: 1, db1: 2 } };
  const [a, b, c, d, e] = [await begin(1), await begin(2), await begin(3), await begin(4), await begin(5)];
  expect(await ask(leases, a, 'backups', everyRun, ['web1', 'db1'])).toBeNull();
  expect(await leases.ask({ task: b, kind: 'backups', servers: ['web1'] }, everyRun)).toEqual({
    before: 1,
    server: 'web1',
  });
  expect(await ask(leases, c, 'backups', everyRun, ['web2', 'db1'])).toBeNull();
  expect(await leases.ask({ task: d, kind: 'backups', servers: ['db1'] }, everyRun)).toEqual({
    before: 1,
    server: 'db1',
  });
  expect(await ask(leases, e, 'backups', everyRun)).toBeNull();
  // A restore brings a site back: it waits for no backup there.
  expect(await ask(leases, await begin(6, 'restore'), 'restores', everyRun, ['web1'])).toBeNull();
  await close(a);
  expect(await ask(leases, d, 'backups', everyRun, ['db1'])).toBeNull();
  // The last place of the master is hers who asked first.
  await close(e);
  const f = await begin(7);
  expect(await leases.ask({ task: f, kind: 'backups', servers: [] }, everyRun)).toBeNull();
  expect(await ask(leases, b, 'backups', everyRun, ['web1'])).toBeNull();
});

it('tasks that wait for a machine which does not answer hold up nobody elsewhere, and keep their place there', async () => {
  limits = { backups: 1, restores: 1, servers: { web1: 1 } };
  const [away, elsewhere, there] = [await begin(1), await begin(2), await begin(3)];
  expect(await ask(leases, away, 'backups', everyRun, ['web1'])).toBeNull();
  expect(await ask(leases, elsewhere, 'backups', everyRun)).toBe(1);
  await leases.setAway({ task: away, kind: 'backups' }, true);
  // The place of the master is theirs who asked before.
  expect(await leases.ask({ task: there, kind: 'backups', servers: ['web1'] }, everyRun)).toEqual({
    before: 1,
    server: null,
  });
  expect(await ask(leases, elsewhere, 'backups', everyRun)).toBeNull();
  await close(elsewhere);
  expect(await leases.ask({ task: there, kind: 'backups', servers: ['web1'] }, everyRun)).toEqual({
    before: 1,
    server: 'web1',
  });
  // It is back, and goes on.
  await leases.setAway({ task: away, kind: 'backups' }, false);
  expect(await ask(leases, away, 'backups', everyRun, ['web1'])).toBeNull();
  expect(await ask(leases, await begin(4), 'backups', everyRun)).toBe(2);
  // Who has none keeps nobody waiting.
  await leases.setAway({ task: there, kind: 'backups' }, true);
  await close(away);
  expect(await ask(leases, there, 'backups', everyRun, ['web1'])).toBeNull();
});
