import { mkdir, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordText } from '../../../src/contract/backup-record';
import { KedgeError } from '../../../src/contract/errors';
import { SAFETY_TRIGGER, UNPROVEN } from '../../../src/contract/names';
import type { Catalog } from '../../../src/core/catalog/catalog';
import { createCatalog } from '../../../src/core/catalog/file-catalog';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { BackupsOfSites } from '../../../src/core/metrics/backups-of-sites';
import { exposition } from '../../../src/core/metrics/exposition';
import { MasterMetrics } from '../../../src/core/metrics/master-metrics';
import { Journals } from '../../../src/core/tasks/journals';
import { limitAfter } from '../../../src/core/tasks/maintenance-limit';
import { Leases } from '../../../src/core/tasks/leases';
import { backupRecord } from '../../helpers/backup-record';
import { newTask } from '../../helpers/new-task';
import { type Scraped, parseScrape, promtool, valueOf } from '../../helpers/prometheus-text';
import { targetIn } from '../../helpers/target';
import { until } from '../../helpers/until';

const master = createLocalHost({ name: 'master' });
let folder: string;
let journals: Journals;
let leases: Leases;
let sites: string[];
let problems: string[];
let reads: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-metrics-'));
  journals = new Journals(join(folder, 'tasks'), join(folder, 'open'), master, () => undefined);
  const limits = { backups: 1, restores: 1, servers: {} };
  leases = new Leases(join(folder, 'leases'), { master, journals, limits: async () => limits });
  sites = ['shop.example', 'new.example'];
  problems = [];
  reads = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The catalogue, which notes of which sites all records are read. */
function countingCatalog(): Catalog {
  const catalog = createCatalog(join(folder, 'backups'), master);
  return new Proxy(catalog, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'list') reads.push(String(args[0]));
        return Reflect.apply(value, target, args);
      };
    },
  });
}

function metrics(freshMs = 0, catalog = async () => countingCatalog(), patienceMs = 60_000): MasterMetrics {
  const parts = {
    ...{ master, journals, leases, catalog },
    configuration: async () => ({
      sites,
      backups: join(folder, 'backups'),
      folders: { backups: join(folder, 'backups'), state: folder },
    }),
  };
  return new MasterMetrics(parts, { onProblem: (text) => problems.push(text), freshMs, patienceMs });
}

const scrape = async (measured: MasterMetrics): Promise<Scraped[]> =>
  parseScrape(exposition(await measured.families()));

/** A backup in the catalogue, as long ago as its folder says it changed. */
async function addBackup(site: string, time: string, changes = {}): Promise<string> {
  const id = `${site}-${time}`;
  const record = backupRecord(id, { site, ...changes });
  const place = join(folder, 'backups', site);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, record.archive), 'x'.repeat(record.bytes));
  await writeFile(join(place, `${id}.json`), recordText(record));
  await age(site);
  return join(place, record.archive);
}

let ages = 0;
/** Its last change is long ago, and another one than before. */
async function age(site: string): Promise<void> {
  ages += 1;
  const then = new Date(Date.parse('2026-01-01T00:00:00Z') + ages * 1000);
  await utimes(join(folder, 'backups', site), then, then);
}

const GOOD_AT = '2026-11-24T03:15:02.000Z';
const good = (values: Scraped[], site: string): number | undefined =>
  valueOf(values, 'kedge_last_good_backup_timestamp_seconds', { site });

it('the newest good backup: no safety backup, none that is cut, none that could not be restored here', async () => {
  await addBackup('shop.example', '20261124.031502', { created: GOOD_AT, bytes: 40 });
  await addBackup('shop.example', '20261125.031502', { trigger: SAFETY_TRIGGER, bytes: 5 });
  await addBackup('shop.example', '20261126.031502', { warnings: [`${UNPROVEN}: a view`], bytes: 6 });
  const cut = await addBackup('shop.example', '20261127.031502', { bytes: 7 });
  await truncate(cut, 3);
  const measured = metrics();
  const values = await scrape(measured);
  expect(good(values, 'shop.example')).toBe(Date.parse(GOOD_AT) / 1000);
  expect(valueOf(values, 'kedge_last_good_backup_bytes', { site: 'shop.example' })).toBe(40);
  expect(valueOf(values, 'kedge_backups', { site: 'shop.example' })).toBe(4);
  expect(valueOf(values, 'kedge_backups_bytes', { site: 'shop.example' })).toBe(58);
  // One that has none is older than any: an alert on the age speaks of it too.
  expect(good(values, 'new.example')).toBe(0);
  expect(problems).toEqual([]);
});

it('records are read anew only where the folder of a site has changed, or the archive of its good backup', async () => {
  const first = await addBackup('shop.example', '20261124.031502', { created: GOOD_AT });
  await addBackup('new.example', '20261124.031502', { created: GOOD_AT });
  const measured = metrics();
  await scrape(measured);
  await scrape(measured);
  expect(reads).toEqual(['shop.example', 'new.example']);
  await addBackup('new.example', '20261126.031502', { created: '2026-11-26T03:15:02.000Z' });
  expect(good(await scrape(measured), 'new.example')).toBe(Date.parse('2026-11-26T03:15:02.000Z') / 1000);
  expect(reads.slice(2)).toEqual(['new.example']);
  // The folder does not tell of this.
  await truncate(first, 1);
  expect(good(await scrape(measured), 'shop.example')).toBe(0);
  expect(reads.slice(3)).toEqual(['shop.example']);
});

it('a folder that changed this moment is read again: it may change once more within one tick of the clock', async () => {
  await addBackup('shop.example', '20261124.031502', { created: GOOD_AT });
  const now = new Date();
  await utimes(join(folder, 'backups/shop.example'), now, now);
  const backups = new BackupsOfSites(master);
  const of = () => backups.of('shop.example', countingCatalog(), join(folder, 'backups/shop.example'));
  await of();
  await of();
  expect(reads).toEqual(['shop.example', 'shop.example']);
});

it('a site that is taken out of the configuration is gone from the metrics', async () => {
  await addBackup('shop.example', '20261124.031502');
  const measured = metrics();
  await scrape(measured);
  sites = ['new.example'];
  expect(good(await scrape(measured), 'shop.example')).toBeUndefined();
});

it('open tasks, the sites that they keep shut and since when, and who waits for leave to do heavy work', async () => {
  const begin = async (site: string, type: 'backup' | 'restore'): Promise<string> => {
    const task = `${site}-20261124.031502-${type}`;
    await journals.begin(newTask({ task, site, type }));
    return task;
  };
  const restore = await begin('shop.example', 'restore');
  const backups = [await begin('a.example', 'backup'), await begin('b.example', 'backup')];
  const maintenance = { foundOn: false, ...limitAfter(900_000), seen: GOOD_AT, ended: null };
  await journals.recordUndo(restore, { target: targetIn(folder), maintenance, undoing: true });
  // Found shut by somebody else: no task keeps it so.
  await journals.recordUndo(backups[0] ?? '', { maintenance: { ...maintenance, foundOn: true } });
  for (const task of backups) await leases.ask({ task, kind: 'backups', servers: [] }, async () => true);
  const values = await scrape(metrics());
  expect(valueOf(values, 'kedge_tasks_open', { type: 'backup' })).toBe(2);
  expect(valueOf(values, 'kedge_tasks_open', { type: 'restore' })).toBe(1);
  expect(valueOf(values, 'kedge_tasks_open', { type: 'deploy' })).toBe(0);
  expect(valueOf(values, 'kedge_tasks_undoing')).toBe(1);
  expect(values.filter(({ name }) => name === 'kedge_site_shut_since_timestamp_seconds')).toEqual([
    { name: expect.any(String) as unknown, labels: { site: 'shop.example' }, value: Date.parse(GOOD_AT) / 1000 },
  ]);
  expect(valueOf(values, 'kedge_queue_length', { kind: 'backups' })).toBe(1);
  expect(valueOf(values, 'kedge_leases_held', { kind: 'backups' })).toBe(1);
  expect(valueOf(values, 'kedge_queue_length', { kind: 'restores' })).toBe(0);
});

it('a part that cannot be read is left out and says so; the others are there', async () => {
  const measured = metrics(0, () => Promise.reject(new KedgeError('DiskFull', 'the disk fails')));
  const values = await scrape(measured);
  await scrape(measured);
  expect(valueOf(values, 'kedge_collector_success', { collector: 'backups' })).toBe(0);
  expect(valueOf(values, 'kedge_collector_success', { collector: 'tasks' })).toBe(1);
  expect(good(values, 'shop.example')).toBeUndefined();
  expect(valueOf(values, 'kedge_disk_free_bytes', { folder: 'state' })).toBeGreaterThan(0);
  expect(problems[0]).toBe('backups cannot be measured: the disk fails');
});

it('nobody waits for a disk that hangs: the other parts are told, then what was known, then what it says when it answers again', async () => {
  await addBackup('shop.example', '20261124.031502', { created: GOOD_AT });
  let hung: Promise<void> = Promise.resolve();
  let release = (): void => undefined;
  const hang = (): void => {
    hung = new Promise((resolve) => (release = resolve));
  };
  const measured = metrics(0, async () => hung.then(() => countingCatalog()), 20);
  const success = (values: Scraped[]) => valueOf(values, 'kedge_collector_success', { collector: 'backups' });
  hang();
  const first = await scrape(measured);
  expect([success(first), good(first, 'shop.example')]).toEqual([0, undefined]);
  // A busy machine may take longer for them than anybody waits.
  const ofDisks = async () => valueOf(await scrape(measured), 'kedge_collector_success', { collector: 'disks' });
  await until('the disks are told', async () => (await ofDisks()) === 1);
  release();
  await until('it has answered', async () => success(await scrape(measured)) === 1);
  hang();
  const again = await scrape(measured);
  expect([success(again), good(again, 'shop.example')]).toEqual([0, Date.parse(GOOD_AT) / 1000]);
  release();
});

it('many who ask at once, or soon after each other, have the disks read once', async () => {
  await addBackup('shop.example', '20261124.031502');
  await utimes(join(folder, 'backups/shop.example'), new Date(), new Date());
  const measured = metrics(60_000);
  await Promise.all([scrape(measured), scrape(measured), scrape(measured)]);
  await scrape(measured);
  expect(reads).toEqual(['shop.example', 'new.example']);
});

it('Prometheus itself takes the text', async () => {
  await addBackup('shop.example', '20261124.031502');
  promtool(['check', 'metrics'], exposition(await metrics().families()));
});
