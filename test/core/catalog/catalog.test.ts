import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BackupRecord, backupRecordSchema } from '../../../src/contract/backup-record';
import type { Catalog } from '../../../src/core/catalog/catalog';
import { createCatalog } from '../../../src/core/catalog/file-catalog';
import { findLatest, nextPublication } from '../../../src/core/catalog/publication';
import { SAFETY_DESCRIPTION, UNPROVEN } from '../../../src/contract/names';
import { createLocalHost } from '../../../src/core/hosts/local-host';

const SITE = 'shop.example';
let base: string;
let folder: string;
let catalog: Catalog;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'kedge-catalog-'));
  catalog = createCatalog(join(base, 'backups'), createLocalHost({ name: 'master' }));
  folder = await catalog.folderOf(SITE);
});
afterEach(() => rm(base, { recursive: true, force: true }));

function record(id: string, change: Partial<BackupRecord> = {}): BackupRecord {
  return {
    schema: 1,
    id,
    site: SITE,
    kind: 'wordpress',
    description: 'before the update',
    trigger: 'request',
    who: 'anna',
    task: 'shop.example-20261124.031502-backup',
    created: '2026-11-24T03:15:02.000Z',
    roots: [{ name: 'site', path: '/srv/shop' }],
    dumpBytes: 10,
    database: {
      charset: 'utf8mb4',
      collation: 'utf8mb4_general_ci',
      serverVersion: '10.11',
      tables: [{ name: 'wp_posts', rows: 3 }],
      views: [],
      enabledEvents: [],
    },
    codeVersion: '6.4.2',
    contentMark: { status: 200, title: 'Shop' },
    archive: `${id}.tar.zst`,
    bytes: 7,
    sha256: 'a'.repeat(64),
    members: 3,
    warnings: [],
    ...change,
  };
}
const temporary = async (content = 'archive'): Promise<string> => {
  const path = join(folder, '.in-flight.tmp');
  await writeFile(path, content, { mode: 0o600 });
  return path;
};
const publish = async (published: BackupRecord): Promise<void> =>
  catalog.publish(published, await temporary(published.id));
const problems = async () =>
  new Map((await catalog.list(SITE)).strays.map(({ file, problem }) => [file.slice(folder.length + 1), problem]));

const ID = `${SITE}-20261124.031502`;

describe('the catalogue', () => {
  test('what is published is listed and got, private to the worker', async () => {
    await publish(record(ID));
    expect(await catalog.list(SITE)).toEqual({ backups: [record(ID)], strays: [] });
    expect(await catalog.get(SITE, ID)).toEqual(record(ID));
    expect(catalog.pathOf(record(ID))).toBe(join(folder, `${ID}.tar.zst`));
    expect(await readFile(catalog.pathOf(record(ID)), 'utf8')).toBe(ID);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  test('publishing again changes nothing, at whatever point it was interrupted', async () => {
    const archive = catalog.pathOf(record(ID));
    const path = await temporary();
    // The archive has both names, as after a crash between the two steps of its rename.
    await link(path, archive);
    expect((await catalog.list(SITE)).backups).toEqual([]);
    await catalog.publish(record(ID), path);
    // The archive has its name, the record is missing.
    await rm(join(folder, `${ID}.json`));
    await catalog.publish(record(ID), path);
    await catalog.publish(record(ID), path);
    expect(await catalog.list(SITE)).toEqual({ backups: [record(ID)], strays: [] });
    expect(await readFile(archive, 'utf8')).toBe('archive');
  });

  test('an archive is never replaced', async () => {
    await publish(record(ID));
    await expect(catalog.publish(record(ID), await temporary('another'))).rejects.toMatchObject({
      code: 'FileRefused',
    });
    expect(await readFile(catalog.pathOf(record(ID)), 'utf8')).toBe(ID);
  });

  test('ids tell the time in UTC, and never one that is taken', async () => {
    const created = new Date('2026-11-24T04:15:02.900+01:00');
    expect(await catalog.nextId(SITE, created)).toBe(ID);
    await publish(record(ID));
    expect(await catalog.nextId(SITE, created)).toBe(`${ID}_1`);
    await writeFile(join(folder, `${ID}_1.tar.gz`), '');
    await writeFile(join(folder, `${ID}_2.json`), '');
    expect(await catalog.nextId(SITE, created)).toBe(`${ID}_3`);
    expect(await catalog.nextId('other.example', created)).toBe('other.example-20261124.031502');
    // A clock that was set back by a day: ids stay in order all the same.
    const dayBefore = new Date(created.getTime() - 86_400_000);
    expect(await catalog.nextId(SITE, dayBefore)).toBe(`${ID}_3`);
  });

  test('published last is newest, also when the clock was set back or a backup took long', async () => {
    const first = record(`${SITE}-20261125.000000`, {
      created: '2026-11-25T00:00:00.000Z',
      published: '2026-11-25T00:10:00.000Z',
    });
    // Its clock was an hour behind.
    const { backups: one } = await catalog.list(SITE);
    expect(nextPublication(one, new Date('2026-11-24T23:00:00.000Z'))).toBe('2026-11-24T23:00:00.000Z');
    const published = nextPublication([first], new Date('2026-11-24T23:00:00.000Z'));
    expect(published).toBe('2026-11-25T00:10:00.001Z');
    const second = record(`${SITE}-20261124.230000`, { created: '2026-11-24T23:00:00.000Z', published });
    const old = record(`${SITE}-20261125.000500`, { created: '2026-11-25T00:05:00.000Z' });
    for (const each of [first, second, old]) await publish(each);
    expect((await catalog.list(SITE)).backups).toEqual([second, first, old]);
  });

  test('latest is what was asked for and is good: no safety backup, none that was cut, none that was not taken back', async () => {
    const master = createLocalHost({ name: 'master' });
    expect(await findLatest(catalog, master, SITE)).toEqual({ record: null, passedOver: [] });
    const at = (day: number, change: Partial<BackupRecord> = {}) => {
      const id = `${SITE}-202611${day}.000000`;
      return record(id, { created: `2026-11-${day}T00:00:00.000Z`, bytes: id.length, ...change });
    };
    // Whoever describes a backup in the words of a safety backup asked for it all the same.
    const asked = at(20, { description: SAFETY_DESCRIPTION });
    const cut = at(21, { bytes: 1000 });
    const refused = at(23, { warnings: [`${UNPROVEN}: no such table`, 'two'] });
    for (const each of [asked, cut, at(22, { trigger: 'restore', description: 'two' }), refused]) await publish(each);
    expect(await findLatest(catalog, master, SITE)).toEqual({
      record: asked,
      passedOver: [
        expect.stringMatching(
          `^${refused.id} is passed over: the database server did not take its definitions`,
        ) as unknown,
        `${cut.id} is passed over: its archive has 28 bytes, not 1000 as its record says`,
      ],
    });
    // One that nobody could try is no worse than one from before there were proofs.
    const untried = at(24, { warnings: ['whether this backup can be restored here could not be tried: away'] });
    await publish(untried);
    expect(await findLatest(catalog, master, SITE)).toEqual({ record: untried, passedOver: [] });
  });

  test('newest first, in order of time and then of id', async () => {
    const later = record(`${SITE}-20261125.000000`, { created: '2026-11-25T00:00:00.000Z' });
    for (const one of [record(ID), later, record(`${ID}_1`)]) await publish(one);
    expect((await catalog.list(SITE)).backups.map(({ id }) => id)).toEqual([later.id, `${ID}_1`, ID]);
  });

  test('a site of 300,000 tables has a record that can be read again', async () => {
    const tables = Array.from({ length: 300_000 }, (_, at) => ({ name: `${'x'.repeat(50)}_${at}`, rows: at }));
    const many = record(ID, { database: { ...record(ID).database, tables } });
    await publish(many);
    expect((await catalog.get(SITE, ID)).database.tables).toEqual(tables);
    expect((await catalog.list(SITE)).strays).toEqual([]);
  });

  test.each([
    ['tables', (wrong: unknown[]) => ({ database: { ...record(ID).database, tables: wrong } })],
    ['views', (wrong: unknown[]) => ({ database: { ...record(ID).database, views: wrong } })],
    ['warnings', (wrong: unknown[]) => ({ warnings: wrong })],
    ['roots', (wrong: unknown[]) => ({ roots: wrong })],
  ])('a record with ever so many wrong %s has one complaint', (name, change) => {
    const wrong = Array.from({ length: 300_000 }, () => ({ name: 1, rows: 'x', more: [] }));
    const { error } = backupRecordSchema.safeParse({ ...record(ID), ...change(wrong) });
    expect(error?.issues.map(({ path }) => path.at(-1))).toEqual([name]);
  });

  test('what is no sound backup is shown as what it is', async () => {
    await publish(record(ID));
    const lay = (name: string, content: string): Promise<void> => writeFile(join(folder, name), content);
    await lay(`${SITE}-20260101.000000.tar.zst`, '');
    await lay('notes.txt', '');
    await lay(`${SITE}-20260102.000000.json`, JSON.stringify(record(`${SITE}-20260102.000000`)));
    await lay(`${SITE}-20260103.000000.json`, '{"schema": 1');
    await lay(`${SITE}-20260104.000000.json`, '{}');
    await lay(`${SITE}-20260105.000000.json`, JSON.stringify(record(ID)));
    await lay(
      `${SITE}-20260106.000000.json`,
      JSON.stringify(record(`${SITE}-20260106.000000`, { archive: '../other.example/secret.tar' })),
    );
    await lay(`${SITE}-20260107.000000.json`, JSON.stringify({ ...record(`${SITE}-20260107.000000`), schema: 2 }));
    await mkdir(join(folder, `${SITE}-20260108.000000.json`));
    execFileSync('ln', ['-s', `${ID}.json`, join(folder, `${SITE}-20260109.000000.json`)]);
    await lay('.in-flight', '');
    expect((await catalog.list(SITE)).backups).toEqual([record(ID)]);
    expect(await problems()).toEqual(
      new Map<string, unknown>([
        [`${SITE}-20260102.000000.json`, 'record without archive'],
        [`${SITE}-20260103.000000.json`, 'record cannot be read: it is not JSON'],
        [`${SITE}-20260104.000000.json`, expect.stringMatching(/^record cannot be read: .*schema/)],
        [`${SITE}-20260105.000000.json`, `record cannot be read: it is the record of ${ID}`],
        [`${SITE}-20260106.000000.json`, 'record cannot be read: it names the archive ../other.example/secret.tar'],
        [
          `${SITE}-20260107.000000.json`,
          expect.stringMatching(/-20260107.000000 holds a record of version 2, .* none above 1/),
        ],
        [`${SITE}-20260108.000000.json`, expect.stringContaining('no regular file')],
        [`${SITE}-20260109.000000.json`, expect.stringContaining('symbolic link')],
        [`${SITE}-20260101.000000.tar.zst`, 'archive without record'],
        ['notes.txt', 'foreign file'],
      ]),
    );
  });

  test('a backup that is not there is unknown, one that cannot be read invalid', async () => {
    await expect(catalog.get(SITE, ID)).rejects.toMatchObject({ code: 'BackupUnknown', site: SITE });
    await publish(record(ID));
    await rm(catalog.pathOf(record(ID)));
    await expect(catalog.get(SITE, ID)).rejects.toMatchObject({
      code: 'BackupUnknown',
      message: expect.stringContaining('archive'),
    });
    await writeFile(join(folder, `${ID}.json`), '[]');
    await expect(catalog.get(SITE, ID)).rejects.toMatchObject({ code: 'RecordInvalid', site: SITE });
    expect(await catalog.list('nobody.example')).toEqual({ backups: [], strays: [] });
  });

  test('names that lead elsewhere are none', async () => {
    for (const id of ['../x', '', `${SITE}-20261124.031502/../x`, 'other.example-20261124.031502', `${ID}.json`]) {
      await expect(catalog.get(SITE, id)).rejects.toMatchObject({ code: 'BackupUnknown' });
      await expect(catalog.delete(SITE, id)).rejects.toMatchObject({ code: 'BackupUnknown' });
    }
    for (const site of ['..', '', '/etc', 'a/../b', 'UPPER.example', 'a\0b']) {
      await expect(catalog.list(site)).rejects.toMatchObject({ code: 'SiteUnknown' });
      await expect(catalog.folderOf(site)).rejects.toMatchObject({ code: 'SiteUnknown' });
    }
  });

  test('deleted are record and archive, and nothing else; again is no error', async () => {
    await publish(record(ID));
    await publish(record(`${ID}_1`));
    await catalog.delete(SITE, ID);
    await catalog.delete(SITE, ID);
    expect(await readdir(folder)).toEqual([`${ID}_1.json`, `${ID}_1.tar.zst`]);
  });
});
