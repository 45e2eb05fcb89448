import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { keepRuleOf } from '../../src/config/keep-rules';
import { loadConfiguration } from '../../src/config/load';
import type { Configuration } from '../../src/config/schema';
import type { BackupRecord } from '../../src/contract/backup-record';
import { UNPROVEN, timeStamp } from '../../src/contract/names';
import { createCatalog } from '../../src/core/catalog/file-catalog';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { planPrune, prune } from '../../src/core/retention/prune';
import { sitesToPrune } from '../../src/operations/prune-backups';
import { BareMaster, SITE } from '../helpers/bare-master';
import { runCommand } from '../helpers/command';
import { BACKUP } from '../helpers/configured-folder';
import { testOperation } from '../helpers/operation';

const NOW = Date.UTC(2026, 10, 27, 12);
const DAY = 24 * 3_600_000;
const NOTHING = { last: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, safety: 30 * DAY };

let master: BareMaster;
let configuration: Configuration;
let folder: string;

beforeEach(async () => {
  master = await BareMaster.start();
  folder = join(master.folder, 'backups', SITE);
  configuration = { ...(await loadConfiguration(join(master.folder, 'kedge.yaml'))), keep: { ...NOTHING, daily: 3 } };
});
afterEach(() => master.stop());

/** Puts a backup of so many days ago into the catalogue. Returns its id. */
async function make(daysAgo: number, more: Partial<BackupRecord> = {}): Promise<string> {
  const template = JSON.parse(await readFile(join(folder, `${BACKUP}.json`), 'utf8')) as BackupRecord;
  const created = new Date(NOW - daysAgo * DAY);
  const id = `${SITE}-${timeStamp(created)}`;
  const archive = `${id}.tar.zst`;
  await writeFile(join(folder, archive), 'x');
  const record = { ...template, id, archive, created: created.toISOString(), ...more };
  await writeFile(join(folder, `${id}.json`), JSON.stringify(record));
  return id;
}

const ids = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.replace('.json', ''))
    .sort();
const plan = () => planPrune(master.parts, { site: SITE, rule: keepRuleOf(configuration, SITE) }, NOW);
const carryOut = async () => [...(await prune(master.parts, await plan(), NOW, testOperation())).deleted];

it('what no rule keeps goes, record and archive, and all else stays', async () => {
  const made = [];
  for (const days of [0, 0.2, 1, 2, 3, 40]) made.push(await make(days));
  const safety = await make(10, { trigger: 'restore' });
  const old = await make(50, { trigger: 'restore' });
  const originals = await make(60, { trigger: 'restore', kept: { folders: [{ name: 'site', path: '/srv/x' }] } });
  const { backups, strays, waits } = await plan();
  expect([strays, waits]).toEqual([[], null]);
  expect(backups.map(({ keep, reasons }) => [keep, reasons.length > 0]).filter(([, why]) => !why)).toEqual([]);

  const going = [made[1], made[4], made[5], old, BACKUP].map((id) => id ?? '');
  expect((await carryOut()).sort()).toEqual(going.sort());
  const staying = [made[0], made[2], made[3], safety, originals].map((id) => id ?? '');
  expect(ids()).toEqual(staying.sort());
  expect(readdirSync(folder).sort()).toEqual(staying.flatMap((id) => [`${id}.json`, `${id}.tar.zst`]).sort());
  expect(await carryOut()).toEqual([]);
});

it('on the word of an unproven backup, or of one that is damaged, nothing goes', async () => {
  await make(0, { warnings: [`${UNPROVEN}: no such collation`] });
  const damaged = await make(1);
  truncateSync(join(folder, `${damaged}.tar.zst`));
  const good = await make(200);
  configuration = { ...configuration, keep: { ...NOTHING, last: 1 } };
  const { backups } = await plan();
  const decided = Object.fromEntries(backups.map(({ id, keep, reasons }) => [id, { keep, reasons }]));
  expect(decided[good]).toMatchObject({ keep: true, reasons: ['the newest good one', 'one of the last 1'] });
  expect(decided[damaged]).toMatchObject({ keep: true });
  expect(decided[damaged]?.reasons[0]).toContain('its archive has 0 bytes');
  await carryOut();
  expect(ids()).toContain(good);
});

it('the archive of each is looked at once: what decides about it cannot change meanwhile', async () => {
  const made = [await make(0), await make(1)];
  const looked: string[] = [];
  const host = new Proxy(master.parts.master, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'status') looked.push(String(args[0]));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
  const { backups } = await planPrune(
    { ...master.parts, master: host },
    { site: SITE, rule: keepRuleOf(configuration, SITE) },
    NOW,
  );
  expect(backups).toHaveLength(3);
  expect(looked.sort()).toEqual([BACKUP, ...made].map((id) => join(folder, `${id}.tar.zst`)).sort());
});

it('what a task uses stays, also when it began behind the decision', async () => {
  const [, , , used] = [await make(0), await make(1), await make(2), await make(30)];
  const decided = await plan();
  expect(decided.backups.find(({ id }) => id === used)).toMatchObject({ keep: false });
  const source = { id: used, path: '', sha256: '', members: 1, contentBytes: 1, charset: '', collation: '' };
  const { task } = await master.begin('031502', 'restore', {
    source: { ...source, contentMark: null, elsewhere: [] },
  });
  await prune(master.parts, decided, NOW, testOperation());
  expect(ids()).toContain(used);
  expect((await plan()).backups.find(({ id }) => id === used)).toMatchObject({
    keep: true,
    reasons: [`used by ${task}`],
  });
});

it('while a restore has not said what it goes back to, nothing of its site goes', async () => {
  for (const days of [0, 1, 2, 3]) await make(days);
  const decided = await plan();
  const { task } = await master.begin('031502', 'restore');
  const before = ids();
  expect(await prune(master.parts, decided, NOW, testOperation())).toEqual({
    deleted: [],
    waits: expect.stringContaining(task) as string,
  });
  expect(ids()).toEqual(before);
  expect((await plan()).waits).toContain(task);
});

it('whose record cannot be read is named, and left', async () => {
  await make(0);
  writeFileSync(join(folder, `${BACKUP}.json`), '{');
  const { strays, backups } = await plan();
  expect(strays).toEqual([expect.stringContaining(`${BACKUP}.json`)]);
  expect(backups.map(({ id }) => id)).not.toContain(BACKUP);
  await carryOut();
  expect(ids()).toContain(BACKUP);
});

describe('a deletion that is cut off leaves neither record nor archive alone', () => {
  it.each([0, 1, 2])('before its act %d', async (cutAt) => {
    const real = createLocalHost({ name: 'master' });
    let acts = 0;
    const host = new Proxy(real, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (name === 'rename' || name === 'removeFile') {
            if (acts === cutAt) throw new Error('cut');
            acts += 1;
          }
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
    const catalog = createCatalog(join(master.folder, 'backups'), host);
    await expect(catalog.delete(SITE, BACKUP)).rejects.toThrow('cut');

    const whole = createCatalog(join(master.folder, 'backups'), real);
    const { backups, strays } = await whole.list(SITE);
    expect(strays).toEqual([]);
    expect(backups.map(({ id }) => id)).toEqual(cutAt === 0 ? [BACKUP] : []);
    // Nobody else gets its name while something of it is there.
    expect(await whole.nextId(SITE, new Date('2026-01-02T03:04:05Z'))).toBe(`${BACKUP}_1`);
    if (cutAt === 0) return;
    const { removed, problems } = await master.parts.sweeper.sweep(() => testOperation());
    expect(removed).toEqual([`the deleted backup ${BACKUP}`]);
    expect(problems).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('kedge prune', () => {
  const run = (...argv: string[]) =>
    runCommand(['prune', ...argv], {
      environment: { KEDGE_CONFIG: join(master.folder, 'kedge.yaml') },
      workingFolder: master.folder,
    });

  function configure(change: (document: { keep?: object; sites: Record<string, object> }) => void): void {
    const path = join(master.folder, 'kedge.yaml');
    const document = parse(readFileSync(path, 'utf8')) as { sites: Record<string, object> };
    change(document);
    writeFileSync(path, stringify(document));
  }

  it('without a rule says what to write, and deletes nothing', async () => {
    const { exitCode, stderr } = await run('--yes');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('keep: { last: 3');
    expect(ids()).toEqual([BACKUP]);
    expect(() => sitesToPrune({ ...configuration, keep: undefined }, [SITE])).toThrow(SITE);
  });

  it('a rule that keeps nothing is refused', async () => {
    configure((document) => {
      document.keep = { safety: '9d' };
    });
    const { exitCode, stderr } = await run('--dry-run');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('says nothing that is to be kept')]);
  });

  it('prints every decision with its reason; a dry run deletes nothing, and nobody is taken by surprise', async () => {
    const made = [await make(0), await make(1)];
    configure((document) => {
      document.keep = { last: 100 };
      document.sites[SITE] = { ...document.sites[SITE], keep: { last: 1 } };
    });
    const dry = await run('--dry-run', '--json', 'GAZETTE.example');
    expect(dry.exitCode).toBe(0);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      sites: [
        {
          site: SITE,
          backups: [
            { id: made[0], keep: true, reasons: ['the newest good one', 'one of the last 1'] },
            { id: made[1], keep: false, reasons: ['no rule keeps it'] },
            { id: BACKUP, keep: false },
          ],
        },
      ],
      deleted: [],
    });
    expect((await run()).exitCode).toBe(2);
    expect(ids()).toHaveLength(3);
    const { exitCode, stdout } = await run('--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/no rule keeps it[^]*Deleted 2/);
    expect(ids()).toEqual([made[0]]);
  });

  it('what has to be looked at is a warning, exit 3', async () => {
    configure((document) => {
      document.keep = { last: 1 };
    });
    rmSync(join(folder, `${BACKUP}.tar.zst`));
    const { exitCode, stderr } = await run('--yes');
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('record without archive')]);
    expect(ids()).toEqual([BACKUP]);
  });
});
