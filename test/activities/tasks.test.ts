import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BareMaster, SITE } from '../helpers/bare-master';
import { BACKUP } from '../helpers/configured-folder';

const OTHER = 'garden.example';
const CALLER = { workflowId: 'turns/x', runId: 'queue' };
const FAILED = { status: 'failed', code: 'ImportFailed', message: 'it could not be imported', warnings: ['as told'] };
const DONE = { status: 'done', code: null, message: null, warnings: [] };

let master: BareMaster;
beforeEach(async () => {
  master = await BareMaster.start();
});
afterEach(() => master.stop());

/** The journal as a newer Kedge would have it. */
async function makeNewer(task: string): Promise<{ path: string; text: string }> {
  const path = join(master.folder, 'state/tasks', `${task}.json`);
  const text = JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), version: 99 });
  await writeFile(path, text);
  return { path, text };
}

describe('closeTask', () => {
  it('writes the outcome once, with what was said redacted and the task handed to the sweeper', async () => {
    const password = 'secret-of-the-site';
    const { task, run } = await master.begin('000001', 'verify', {
      before: { database: 'd', account: { user: 'u', hosts: [] }, password, address: 'localhost', madeByKedge: false },
    });
    await master.parts.journals.get(task);
    const closing = { ...FAILED, message: `${password} was refused` };
    expect(await master.call(run, 'closeTask', [{ task }, closing])).toEqual({ warnings: [], runId: run.runId });
    const { outcome, before } = await master.parts.journals.get(task);
    expect(outcome).toMatchObject({ status: 'failed', code: 'ImportFailed', warnings: ['as told'] });
    expect([outcome?.message, before?.password]).toEqual([expect.not.stringContaining(password), '']);
    expect(await master.call(run, 'closeTask', [{ task }, DONE])).toBeNull();
    expect((await master.parts.journals.get(task)).outcome).toEqual(outcome);
    expect(master.swept).toEqual([task]);
    expect(master.logOf(task)).toHaveLength(1);
  });

  it.each([
    ['by another workflow', {}, FAILED, { workflowId: `site/${OTHER}` }, 'WorkflowIdRefused'],
    ['while its run lives, by another run', {}, FAILED, { runId: 'another' }, 'StepRefused'],
    ['as done, with its steps not done', {}, DONE, {}, 'StepRefused'],
    [
      'as failed, with something not undone',
      { steps: { deploy: { attempt: 'a', done: true } } },
      FAILED,
      {},
      'StepRefused',
    ],
    [
      'while it keeps its site shut',
      {
        maintenance: { foundOn: false, deadline: new Date().toISOString(), limit: null, seen: null, ended: null },
      },
      FAILED,
      {},
      'StepRefused',
    ],
    ['with a status that there is not', {}, { ...DONE, status: 'superb' }, {}, 'InputInvalid'],
  ])('is refused %s', async (_when, changes, closing, stranger, code) => {
    const { task, run } = await master.begin('000001', 'restore', changes);
    const before = await master.parts.journals.get(task);
    await expect(master.call({ ...run, ...stranger }, 'closeTask', [{ task }, closing])).rejects.toMatchObject({
      code,
    });
    expect(await master.parts.journals.get(task)).toEqual(before);
    expect(master.swept).toEqual([]);
  });

  it('of a task that never came to have a journal does nothing; of one of a newer Kedge too, and says so', async () => {
    const task = `${SITE}-20261124.000009-backup`;
    expect(await master.call(CALLER, 'closeTask', [{ task }, FAILED])).toBeNull();
    const newer = await master.begin('000001', 'backup');
    const { path, text } = await makeNewer(newer.task);
    await expect(master.call(newer.run, 'closeTask', [{ task: newer.task }, FAILED])).rejects.toMatchObject({
      code: 'NewerVersion',
    });
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});

it('commitSwitch is refused before its steps are done, and changes neither journal nor state', async () => {
  const { task, run } = await master.begin('000001', 'restore');
  await expect(master.call(run, 'commitSwitch', [{ task }])).rejects.toMatchObject({ code: 'StepRefused' });
  expect((await master.parts.journals.get(task)).committed).toBe(false);
  expect(await master.parts.states.find(SITE)).toBeUndefined();
});

it('readJournal says what a workflow has to know, also of a task that did nothing', async () => {
  const nothing = { open: false, committed: false, safetyBackup: null };
  const { task } = await master.begin('000001', 'restore');
  const read = (of: string) => master.call(CALLER, 'readJournal', [{ task: of }]);
  expect(await read(`${SITE}-20261124.000009-backup`)).toEqual(nothing);
  expect(await read(task)).toEqual({ ...nothing, open: true });
  const backup = { id: BACKUP, created: '2026-01-02T03:04:05.000Z', archive: 'a', temporaryArchive: 'b', packed: null };
  await master.parts.journals.recordUndo(task, { committed: true, backup: { ...backup, published: true } });
  expect(await read(task)).toEqual({ open: true, committed: true, safetyBackup: BACKUP });
  await expect(read('../x')).rejects.toMatchObject({ code: 'TaskUnknown' });
});

it('tasks of a site are found: open ones, the newest, that of a request key; those of other sites are not', async () => {
  const first = await master.begin('000001', 'backup', { requestKey: 'nightly' });
  await master.parts.journals.close(first.task, { ...DONE, status: 'done', ended: new Date().toISOString() });
  const second = await master.begin('000002', 'verify');
  await master.begin('000003', 'backup', { requestKey: 'nightly' }, OTHER);
  expect(await master.call(CALLER, 'listOpenTasks', [{ site: SITE }])).toEqual([second.task]);
  expect(await master.call(CALLER, 'findNewestTask', [{ site: SITE }])).toBe(second.task);
  expect(await master.call(CALLER, 'findNewestTask', [{ site: 'new.example' }])).toBeNull();
  const keyed = (requestKey: string) => master.call(CALLER, 'findTaskOfRequest', [{ site: SITE, requestKey }]);
  expect(await keyed('nightly')).toBe(first.task);
  expect(await keyed('weekly')).toBeNull();
  await expect(master.call(CALLER, 'listOpenTasks', [{ site: '../x' }])).rejects.toMatchObject({
    code: 'InputInvalid',
  });
  // What a newer Kedge did may be what is asked for: nobody begins it a second time.
  await makeNewer(first.task);
  await expect(keyed('nightly')).rejects.toMatchObject({ code: 'NewerVersion' });
});

it('whoHoldsSite: nobody, the open task by its journal, or what Temporal says where that cannot be read', async () => {
  const who = () => master.call(CALLER, 'whoHoldsSite', [{ site: SITE }]);
  const { task, run } = await master.begin('000001', 'backup');
  expect(await who()).toBeNull();
  const held = { task: 'by Temporal', type: 'backup', who: 'cron', since: '2026-11-24T00:00:01.000Z' };
  master.holders.set(run.workflowId, held);
  expect(await who()).toMatchObject({ task, type: 'backup', who: 'anna' });
  await makeNewer(task);
  expect(await who()).toEqual(held);
});

it('backups and logs are read page by page', async () => {
  const list = (more: object) => master.call(CALLER, 'listBackups', [{ site: SITE, ...more }]);
  expect(await list({})).toMatchObject({ total: 1, backups: [{ id: BACKUP, bytes: 1, safety: false }] });
  expect(await list({ offset: 1 })).toEqual({ total: 1, backups: [] });
  await expect(list({ limit: -1 })).rejects.toMatchObject({ code: 'InputInvalid' });
  const { task } = await master.begin('000001', 'backup');
  const log = master.parts.logs.of(task, 'dumpDatabase', 1);
  for (const message of ['one', 'two']) log.info(message);
  await log.settled();
  type Page = { lines: { message: string }[]; next: number; ended: boolean };
  const read = (offset: number, waitMs?: number) =>
    master.call(CALLER, 'readTaskLog', [
      { task, offset, ...(waitMs === undefined ? {} : { waitMs }) },
    ]) as Promise<Page>;
  const { lines, next, ended } = await read(0);
  expect([lines.map(({ message }) => message), ended]).toEqual([['one', 'two'], false]);
  expect(await read(next)).toEqual({ lines: [], next, ended: false });
  await expect(read(-1)).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(read(0, 60_000)).rejects.toMatchObject({ code: 'InputInvalid' });
  // Who waits is answered as soon as the task has ended, with what it said until then.
  const followed = read(next, 20_000);
  log.info('three');
  await log.settled();
  await master.parts.journals.close(task, { ...DONE, status: 'done', ended: new Date().toISOString() });
  const last = await followed;
  expect([last.lines.map(({ message }) => message), last.ended]).toEqual([['three'], true]);
  expect(await read(last.next, 20_000)).toEqual({ lines: [], next: last.next, ended: true });
  await expect(
    master.call(CALLER, 'readTaskLog', [{ task: `${SITE}-20261124.000009-backup`, offset: 0 }]),
  ).rejects.toMatchObject({ code: 'TaskUnknown' });
});
