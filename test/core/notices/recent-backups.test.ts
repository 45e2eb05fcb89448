import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupRecord } from '../../../src/contract/backup-record';
import { UNPROVEN, timeStamp } from '../../../src/contract/names';
import type { Catalog } from '../../../src/core/catalog/catalog';
import { createCatalog } from '../../../src/core/catalog/file-catalog';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { type RecentBackups, RecentBackupsReader } from '../../../src/core/notices/recent-backups';
import { BACKUP, makeConfiguredFolder } from '../../helpers/configured-folder';

const SITE = 'gazette.example';
const HOUR = 3_600_000;
const master = createLocalHost({ name: 'backup1' });

let folder: string;
let now: number;
let lists: number;
let template: BackupRecord;
let reader: RecentBackupsReader;

beforeEach(async () => {
  const made = await makeConfiguredFolder();
  template = JSON.parse(readFileSync(join(made.folder, 'backups', SITE, `${BACKUP}.json`), 'utf8')) as BackupRecord;
  rmSync(made.folder, { recursive: true });
  folder = mkdtempSync('/var/tmp/kedge-recent-');
  mkdirSync(join(folder, SITE));
  now = Date.UTC(2026, 10, 27, 12);
  lists = 0;
  reader = new RecentBackupsReader(master);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Of so many hours ago; the folder has changed then. Returns the archive. */
function backUp(hoursAgo: number, changes: Partial<BackupRecord> = {}): string {
  const created = new Date(now - hoursAgo * HOUR);
  const id = `${SITE}-${timeStamp(created)}`;
  const archive = join(folder, SITE, `${id}.tar.zst`);
  writeFileSync(archive, 'x');
  const record = { ...template, id, archive: `${id}.tar.zst`, created: created.toISOString(), ...changes };
  writeFileSync(join(folder, SITE, `${id}.json`), JSON.stringify(record));
  utimesSync(join(folder, SITE), created, created);
  return archive;
}

async function read(): Promise<RecentBackups & { hoursAgo: number | null }> {
  const real = createCatalog(folder, master);
  const counting: Catalog = Object.assign(Object.create(real) as Catalog, {
    list: (site: string) => {
      lists += 1;
      return real.list(site);
    },
  });
  const recent = await reader.of(counting, folder, SITE, now);
  return { ...recent, hoursAgo: recent.good === null ? null : (now - recent.good.published) / HOUR };
}

it('the newest good one that was asked for, and why a newer one is none', async () => {
  expect(await read()).toMatchObject({ good: null, passedOver: null, newest: [] });
  backUp(30);
  backUp(20, { trigger: 'restore' });
  expect(await read()).toMatchObject({ hoursAgo: 30, passedOver: null, newest: [{ bytes: 1 }] });
  backUp(10, { warnings: [`${UNPROVEN}: no such collation`] });
  expect(await read()).toMatchObject({ hoursAgo: 30, passedOver: expect.stringContaining('is passed over') });
  backUp(5);
  expect(await read()).toMatchObject({ hoursAgo: 5, passedOver: null });
});

it('records are read again when the folder has changed, when the good one lost bytes, and after an hour', async () => {
  backUp(30);
  const newest = backUp(10);
  for (let look = 0; look < 3; look += 1) expect(await read()).toMatchObject({ hoursAgo: 10 });
  expect(lists).toBe(1);
  truncateSync(newest);
  expect(await read()).toMatchObject({ hoursAgo: 30 });
  expect(lists).toBe(2);
  backUp(1);
  expect(await read()).toMatchObject({ hoursAgo: 1 });
  expect(lists).toBe(3);
  now += 1.5 * HOUR;
  await read();
  expect(lists).toBe(4);
});

it('a folder that changed just now is read at each look: what comes in the same tick of its clock is seen', async () => {
  backUp(0);
  await read();
  await read();
  expect(lists).toBe(2);
});
