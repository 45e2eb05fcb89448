import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupAllReport, backupAllReportSchema } from '../../src/contract/documents';
import type { BackupAllResult } from '../../src/contract/fleet';
import { KedgeError } from '../../src/contract/errors';
import type { Journal } from '../../src/core/tasks/journal';
import { type BackupAllEvent, askForBackups, followBackupAll, reportOf } from '../../src/operations/backup-all';
import { BareMaster, SITE } from '../helpers/bare-master';
import { BACKUP } from '../helpers/configured-folder';
import { until } from '../helpers/until';
import { withSites } from '../helpers/with-sites';

const KEY = 'backupAll/run-of-this';
const SINCE = Date.UTC(2026, 10, 24);
const OTHER = 'garden.example';
const RESULT: BackupAllResult = {
  ...{ requestKey: KEY, sites: 3, done: 1, warned: 1, failed: 2, pruned: 0, durationMs: 5000 },
  failures: [
    { site: OTHER, code: 'DumpInvalid', message: 'as its journal says' },
    { site: 'shop.example', code: 'SiteUnknown', message: 'there is no site' },
  ],
};

let master: BareMaster;
beforeEach(async () => {
  master = await BareMaster.start();
});
afterEach(() => master.stop());

type Outcome = Partial<NonNullable<Journal['outcome']>>;

/** A backup that has ended, under the key of the run or another. */
async function ended(time: string, site: string, outcome: Outcome, requestKey = KEY): Promise<string> {
  const { task } = await master.begin(time, 'backup', { requestKey }, site);
  const published = {
    id: BACKUP,
    created: new Date().toISOString(),
    archive: 'a',
    temporaryArchive: 'b',
    packed: null,
  };
  if (outcome.status === 'done')
    await master.parts.journals.recordUndo(task, { backup: { ...published, published: true } });
  await master.parts.journals.close(task, {
    ...{ status: 'done', code: null, message: null, warnings: [], ended: new Date().toISOString() },
    ...outcome,
  });
  return task;
}

const FAILED = { status: 'failed', code: 'DumpInvalid', message: 'the dump is empty' } as const;

it('the report has a line for each site: by its journal, or by the run where no task began', async () => {
  const good = await ended('000001', SITE, { status: 'done', warnings: ['a file changed'] });
  const bad = await ended('000002', OTHER, FAILED);
  // Of another run, and of nobody's.
  await ended('000003', SITE, FAILED, 'backupAll/another');
  await ended('000004', 'lost.example', FAILED);
  writeFileSync(join(master.folder, 'state/tasks/lost.example-20261124.000004-backup.json'), '{');
  const report = await reportOf(master.parts, 'backup-all/x', RESULT, SINCE);
  expect(backupAllReportSchema.parse(report)).toEqual({
    ...{ workflowId: 'backup-all/x', done: 1, warned: 1, failed: 2, pruned: 0, durationMs: 5000 },
    sites: [
      {
        ...{ site: OTHER, task: bad, outcome: 'failed', backup: null, bytes: null, warnings: [] },
        durationMs: expect.any(Number) as number,
        error: { code: 'DumpInvalid', message: 'the dump is empty' },
      },
      {
        ...{ site: SITE, task: good, outcome: 'done', backup: BACKUP, bytes: 1, warnings: ['a file changed'] },
        durationMs: expect.any(Number) as number,
        error: null,
      },
      {
        ...{ site: 'shop.example', task: null, outcome: 'failed', backup: null, bytes: null, durationMs: null },
        warnings: [],
        error: { code: 'SiteUnknown', message: 'there is no site' },
      },
    ],
  });
});

it('journals of long before the run are not read', async () => {
  const task = await ended('000001', SITE, { status: 'done' });
  const read: string[] = [];
  const journals = new Proxy(master.parts.journals, {
    get: (target, name) => {
      if (name !== 'find') return Reflect.get(target, name) as unknown;
      return (id: string) => {
        read.push(id);
        return target.find(id);
      };
    },
  });
  const parts = { ...master.parts, journals };
  await reportOf(parts, 'x', { ...RESULT, failures: [] }, SINCE + 24 * 3_600_000);
  expect(read).toEqual([]);
  const report = await reportOf(parts, 'x', { ...RESULT, failures: [] }, SINCE);
  expect([read, report.sites.map(({ site }) => site)]).toEqual([[task], [SITE]]);
});

/** A run whose end a test says. */
class SaidRun {
  readonly workflowId = 'backup-all/x';
  readonly requestKey = KEY;
  end: (result: BackupAllResult) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;

  result(): Promise<BackupAllResult> {
    return new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
    });
  }
}

describe('a run that is followed', () => {
  const seen: BackupAllEvent[] = [];
  let leave: AbortController;
  let run: SaidRun;
  let following: Promise<void>;
  beforeEach(() => {
    seen.length = 0;
    leave = new AbortController();
    run = new SaidRun();
    following = (async () => {
      for await (const event of followBackupAll(master.parts, run, SINCE, leave.signal)) seen.push(event);
    })();
    following.catch(() => undefined);
  });
  const told = () => seen.flatMap((event) => (event.kind === 'site-ended' ? [event.site.site] : []));

  it('tells each site once as it ends, what runs meanwhile, and the report', async () => {
    await ended('000001', SITE, { status: 'done' });
    await master.begin('000002', 'backup', { requestKey: KEY }, OTHER);
    await until('both are seen', () =>
      seen.some((event) => event.kind === 'running' && event.sites[0] === OTHER && event.ended === 1),
    );
    run.end(RESULT);
    await following;
    expect(told()).toEqual([SITE]);
    const last = seen.at(-1);
    const report: BackupAllReport | null = last?.kind === 'ended' ? last.report : null;
    expect(report).toMatchObject({ failed: 2, sites: [{ site: OTHER }, { site: SITE }, { site: 'shop.example' }] });
  });

  it('what kept all of it from being done is thrown', async () => {
    await until('it is followed', () => seen.length > 0);
    run.fail(new KedgeError('Cancelled', 'the run was cancelled'));
    await expect(following).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('whoever leaves is let go', async () => {
    await until('it is followed', () => seen.length > 0);
    leave.abort();
    await following;
    expect(seen.at(-1)).toEqual({ kind: 'left' });
  });
});

it('names are asked for as people write them; wildcards stay; what is not there is said with what comes near', () => {
  const configuration = withSites({ 'blog.example': {}, 'shop.example': { kind: 'php' } });
  const { input, run } = askForBackups(configuration, {
    ...{ names: ['https://Blog.example/about', 'BLOG*', 'blog.example'], description: 'd' },
  });
  expect(input).toEqual({ selection: { sites: ['blog.example', 'blog*'] }, description: 'd' });
  expect(run.sites).toEqual(['blog.example']);
  expect(askForBackups(configuration, { names: [] }).input).toEqual({});
  expect(() => askForBackups(configuration, { names: ['blgo.example'] })).toThrow(
    expect.objectContaining({ code: 'SiteUnknown', hint: expect.stringContaining('blog.example') as string }),
  );
});
