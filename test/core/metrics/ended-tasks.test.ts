import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERROR_CODES } from '../../../src/contract/error-codes';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { EndedTasks } from '../../../src/core/metrics/ended-tasks';
import { exposition } from '../../../src/core/metrics/exposition';
import type { Journal } from '../../../src/core/tasks/journal';
import { Journals } from '../../../src/core/tasks/journals';
import { limitAfter } from '../../../src/core/tasks/maintenance-limit';
import { newTask } from '../../helpers/new-task';
import { type Scraped, parseScrape, promtool, valueOf } from '../../helpers/prometheus-text';
import { until } from '../../helpers/until';

const master = createLocalHost({ name: 'master' });
let folder: string;
let journals: Journals;
const counting: EndedTasks[] = [];

/** Those of another process are over the same folders. */
const newJournals = (): Journals => new Journals(join(folder, 'tasks'), join(folder, 'open'), master, () => undefined);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-ended-'));
  journals = newJournals();
});
afterEach(async () => {
  for (const one of counting.splice(0)) one.end();
  await rm(folder, { recursive: true, force: true });
});

async function startCounting(): Promise<EndedTasks> {
  const ended = new EndedTasks(journals);
  counting.push(ended);
  await ended.begin();
  return ended;
}

const scrape = async (ended: EndedTasks): Promise<Scraped[]> => parseScrape(exposition(await ended.families()));

type Outcome = Partial<NonNullable<Journal['outcome']>>;

async function begin(site: string, type: Journal['type'] = 'backup', by = journals): Promise<string> {
  const task = `${site}-20261124.031502-${type}`;
  await by.begin(newTask({ task, site, type }));
  return task;
}
const close = (task: string, outcome: Outcome = {}, by = journals): Promise<void> =>
  by.close(task, {
    status: 'done',
    ended: new Date().toISOString(),
    code: null,
    message: null,
    warnings: [],
    ...outcome,
  });

const count = (values: Scraped[], labels: Record<string, string>): number | undefined =>
  valueOf(values, 'kedge_tasks_total', labels);

it('counts from its beginning on, each task once, by type, outcome and code', async () => {
  await close(await begin('before.example'));
  const open = await begin('open.example');
  const ended = await startCounting();
  expect(count(await scrape(ended), { type: 'backup', outcome: 'done' })).toBe(0);
  await close(open);
  await close(await begin('full.example'), { status: 'failed', code: 'DiskFull' });
  await begin('goes-on.example');
  await scrape(ended);
  const values = await scrape(ended);
  expect(count(values, { type: 'backup', outcome: 'done', code: 'none' })).toBe(1);
  expect(count(values, { type: 'backup', outcome: 'failed', code: 'DiskFull' })).toBe(1);
  expect(count(values, { type: 'restore', outcome: 'done' })).toBe(0);
});

it('counts a task once, however late the kernel tells of its end', async () => {
  let tell: (task: string) => void = () => undefined;
  const ended = new EndedTasks({
    find: (task) => journals.find(task),
    openTasks: () => journals.openTasks(),
    watchOpen: async (changed) => {
      tell = changed;
      return { close: () => undefined };
    },
  });
  await ended.begin();
  const task = await begin('shop.example');
  await scrape(ended);
  await close(task);
  expect(count(await scrape(ended), { outcome: 'done' })).toBe(1);
  tell(task);
  expect(count(await scrape(ended), { outcome: 'done' })).toBe(1);
});

it('counts what another process began and ended between two looks, and what a command gave up', async () => {
  const ended = await startCounting();
  const elsewhere = newJournals();
  const left = await begin('left.example', 'restore');
  await scrape(ended);
  await close(await begin('quick.example', 'verify', elsewhere), { status: 'cancelled', code: 'Cancelled' }, elsewhere);
  await close(left, { status: 'abandoned' }, elsewhere);
  // The kernel tells of it a moment later.
  await until('both are counted', async () => {
    const values = await scrape(ended);
    return (
      count(values, { type: 'verify', outcome: 'cancelled', code: 'Cancelled' }) === 1 &&
      count(values, { type: 'restore', outcome: 'abandoned', code: 'none' }) === 1
    );
  });
  const total = (await scrape(ended)).filter(({ name }) => name === 'kedge_tasks_total');
  expect(total.reduce((sum, { value }) => sum + value, 0)).toBe(2);
});

it('seconds in maintenance and bytes of archives, from the journals', async () => {
  const ended = await startCounting();
  const restore = await begin('shop.example', 'restore');
  const [seen, over] = ['2026-11-24T03:15:02.000Z', '2026-11-24T03:15:47.500Z'];
  const backup = {
    ...{ id: 'shop.example-20261124.031502', created: seen, archive: 'a', temporaryArchive: 'b', published: true },
    packed: { bytes: 5_000_000_000, warnings: [], codeVersion: null },
  };
  const maintenance = { foundOn: false, ...limitAfter(900_000), seen, ended: over };
  await journals.recordUndo(restore, { maintenance, backup });
  await close(restore);
  // Shut by somebody else before it; and an archive that came into no catalogue.
  const other = await begin('other.example', 'restore');
  await journals.recordUndo(other, {
    maintenance: { ...maintenance, foundOn: true },
    backup: { ...backup, published: false },
  });
  await close(other, { status: 'failed', code: 'ProbeFailed' });
  const values = await scrape(ended);
  expect(valueOf(values, 'kedge_maintenance_seconds_sum', { type: 'restore' })).toBe(45.5);
  expect(valueOf(values, 'kedge_maintenance_seconds_count', { type: 'restore' })).toBe(1);
  expect(valueOf(values, 'kedge_maintenance_seconds_bucket', { type: 'restore', le: '60' })).toBe(1);
  expect(valueOf(values, 'kedge_maintenance_seconds_bucket', { type: 'restore', le: '30' })).toBe(0);
  expect(valueOf(values, 'kedge_task_duration_seconds_count', { type: 'restore' })).toBe(2);
  expect(valueOf(values, 'kedge_backup_written_bytes_total', { type: 'restore' })).toBe(5_000_000_000);
  promtool(['check', 'metrics'], exposition(await ended.families()));
});

it('has every failure there before the first one, and takes no code that somebody made up', async () => {
  const ended = await startCounting();
  const before = await scrape(ended);
  for (const code of Object.keys(ERROR_CODES))
    expect([code, count(before, { type: 'restore', outcome: 'failed', code })]).toEqual([code, 0]);
  for (const [index, code] of ['Made up', 'a"b', 'NewerCode'].entries())
    await close(await begin(`forged${index}.example`), { status: 'failed', code });
  const after = await scrape(ended);
  expect(count(after, { type: 'backup', outcome: 'failed', code: 'other' })).toBe(3);
  expect(after).toHaveLength(before.length + (await durations(ended)));
});

/** Values of histograms, which begin with the first task of a type. */
async function durations(ended: EndedTasks): Promise<number> {
  return (await scrape(ended)).filter(({ name }) => name.startsWith('kedge_task_duration_seconds')).length;
}

it('a marker that a crash left without a journal, and a journal that cannot be read, stop nothing', async () => {
  const ended = await startCounting();
  const torn = await begin('torn.example');
  await scrape(ended);
  await master.writeFile(join(folder, 'tasks', `${torn}.json`), '{', { mode: 0o600 });
  await master.removeFile(join(folder, 'open', torn));
  await master.writeFile(join(folder, 'open/lost.example-20261124.031502-backup'), '', { mode: 0o600 });
  await scrape(ended);
  await master.removeFile(join(folder, 'open/lost.example-20261124.031502-backup'));
  await close(await begin('shop.example'));
  await until('the good one is counted', async () => count(await scrape(ended), { outcome: 'done' }) === 1);
});
