import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { PlanRequest } from '../../src/activities/fleet';
import type { BackupRecord } from '../../src/contract/backup-record';
import type { BackupAllInput, PlannedBackups } from '../../src/contract/fleet';
import { timeStamp } from '../../src/contract/names';
import { BareMaster, SITE } from '../helpers/bare-master';
import { BACKUP } from '../helpers/configured-folder';

const OTHER = 'garden.example';
const CALLER = { workflowId: 'backup-all/x', runId: 'all' };
const DAY_MS = 24 * 3_600_000;

let master: BareMaster;
beforeEach(async () => {
  master = await BareMaster.start();
});
afterEach(() => master.stop());

/** Writes the configuration anew, as an administrator does while the worker runs. */
function configure(change: (document: Document) => void): void {
  const path = join(master.folder, 'kedge.yaml');
  const document = parse(readFileSync(path, 'utf8')) as Document;
  change(document);
  writeFileSync(path, stringify(document));
}
interface Document {
  keep?: object;
  limits?: object;
  schedules?: Record<string, object>;
  master: string;
  sites: Record<string, { keep?: object; root: string }>;
}

const plan = (input: BackupAllInput, more: Partial<PlanRequest> = {}): Promise<PlannedBackups> =>
  master.call(CALLER, 'planBackups', [{ input, after: null, limit: 100, ...more }]) as Promise<PlannedBackups>;

describe('planBackups', () => {
  it('tells the sites page by page, in the order of their names', async () => {
    configure((document) => {
      document.limits = { backups: 3 };
      const { [SITE]: site } = document.sites;
      for (const name of ['a.example', 'z.example']) document.sites[name] = { ...site, root: `/srv/${name}` };
    });
    const pages: string[][] = [];
    for (let after: string | null = null, more = true; more;) {
      const page: PlannedBackups = await plan({ description: 'd' }, { after, limit: 3 });
      expect(page).toMatchObject({ backup: { description: 'd' }, prune: false, atOnce: 6 });
      pages.push([...page.sites]);
      after = page.sites.at(-1) ?? '';
      ({ more } = page);
    }
    expect(pages).toEqual([['a.example', OTHER, SITE], ['z.example']]);
  });

  it('a schedule is what the configuration says when it is asked', async () => {
    await expect(plan({ schedule: 'nightly' })).rejects.toMatchObject({
      code: 'ConfigurationInvalid',
      hint: expect.stringContaining('kedge schedules apply') as string,
    });
    configure((document) => {
      document.schedules = { nightly: { cron: '@daily', sites: [SITE] } };
    });
    expect(await plan({ schedule: 'nightly' })).toMatchObject({
      sites: [SITE],
      backup: { description: 'Automated backup' },
      more: false,
    });
    configure((document) => {
      document.schedules = { nightly: { cron: '@daily', description: 'by night', compression: 'gzip' } };
    });
    expect(await plan({ schedule: 'nightly' })).toMatchObject({
      sites: [OTHER, SITE],
      backup: { description: 'by night', compression: 'gzip' },
    });
  });

  it('a run that has begun goes on by the last configuration that was good; none begins by a broken one', async () => {
    expect((await plan({})).sites).toEqual([OTHER, SITE]);
    const path = join(master.folder, 'kedge.yaml');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, 'sites: [');
    await expect(plan({})).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
    expect((await plan({}, { after: OTHER })).sites).toEqual([SITE]);
    writeFileSync(path, text);
    configure((document) => {
      document.master = 'another';
    });
    await expect(plan({})).rejects.toMatchObject({ code: 'ConfigurationChanged' });
  });

  it.each<[string, object, string]>([
    ['a site that there is not', { input: { selection: { sites: ['gone.example'] } } }, 'SiteUnknown'],
    ['names that fit none', { input: { selection: { sites: ['z*'] } } }, 'SiteUnknown'],
    ['a selection that is a path', { input: { selection: { sites: ['../x'] } } }, 'InputInvalid'],
    ['more than an answer may hold', { limit: 100_000 }, 'InputInvalid'],
    ['a key that there is not', { input: { archive: '/etc/passwd' } }, 'InputInvalid'],
  ])('%s is refused', async (_what, request, code) => {
    await expect(plan({}, request)).rejects.toMatchObject({ code });
  });
});

describe('pruneSite', () => {
  const folder = (): string => join(master.folder, 'backups', SITE);
  const ids = (): string[] =>
    readdirSync(folder())
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.replace('.json', ''))
      .sort();
  const prune = (site = SITE): Promise<unknown> => master.call(CALLER, 'pruneSite', [{ site }]);

  async function make(daysAgo: number): Promise<string> {
    const template = JSON.parse(await readFile(join(folder(), `${BACKUP}.json`), 'utf8')) as BackupRecord;
    const created = new Date(Date.now() - daysAgo * DAY_MS);
    const id = `${SITE}-${timeStamp(created)}`;
    await writeFile(join(folder(), `${id}.tar.zst`), 'x');
    const record = { ...template, id, archive: `${id}.tar.zst`, created: created.toISOString() };
    await writeFile(join(folder(), `${id}.json`), JSON.stringify(record));
    return id;
  }

  it('without a rule deletes nothing; by the rule of the moment what it does not keep, and then nothing more', async () => {
    const made = [await make(2), await make(1)];
    expect(await prune()).toEqual({ deleted: 0, waits: null });
    expect(ids()).toEqual([BACKUP, ...made]);
    configure((document) => {
      document.keep = { last: 100 };
      document.sites[SITE] = { root: '', ...document.sites[SITE], keep: { last: 1 } };
    });
    expect(await prune()).toEqual({ deleted: 2, waits: null });
    expect(ids()).toEqual([made[1]]);
    expect(existsSync(join(folder(), `${BACKUP}.tar.zst`))).toBe(false);
    expect(await prune()).toEqual({ deleted: 0, waits: null });
    expect(await prune(OTHER)).toEqual({ deleted: 0, waits: null });
  });

  it('while a restore has not said what it goes back to, nothing of its site goes, and it says so', async () => {
    await make(1);
    const { task } = await master.begin('031502', 'restore');
    // Of a site without a rule nothing waits.
    await master.begin('031503', 'restore', {}, OTHER);
    configure((document) => {
      document.sites[SITE] = { root: '', ...document.sites[SITE], keep: { last: 1 } };
    });
    expect(await prune(OTHER)).toEqual({ deleted: 0, waits: null });
    expect(await prune()).toEqual({ deleted: 0, waits: expect.stringContaining(task) as string });
    expect(ids()).toContain(BACKUP);
  });

  it('is refused for a site that there is not, and where the configuration cannot be read', async () => {
    await expect(prune('gone.example')).rejects.toMatchObject({ code: 'SiteUnknown' });
    await expect(prune('../x')).rejects.toMatchObject({ code: 'InputInvalid' });
    await make(1);
    await make(3);
    configure((document) => {
      document.keep = { last: 1 };
    });
    rmSync(join(master.folder, 'kedge.yaml'));
    const before = ids();
    await expect(prune()).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
    expect(ids()).toEqual(before);
  });
});
