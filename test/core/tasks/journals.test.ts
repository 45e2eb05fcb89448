import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Journals } from '../../../src/core/tasks/journals';
import { newTask } from '../../helpers/new-task';

let folder: string;
let journals: Journals;
const secrets: string[] = [];
const newJournals = (): Journals =>
  new Journals(join(folder, 'tasks'), join(folder, 'open'), createLocalHost({ name: 'master' }), (secret) =>
    secrets.push(secret),
  );

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-journals-'));
  secrets.length = 0;
  journals = newJournals();
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const id = newTask().task;
const mine = { workflowId: newTask().workflowId, runId: 'run-1' };
const done = { status: 'done' as const, ended: '2026-11-24T03:20:00.000Z', code: null, message: null, warnings: [] };

describe('journals', () => {
  it('begins once: a repeated attempt of the same run finds its own', async () => {
    const first = await journals.begin(newTask());
    expect(first.token).toMatch(/^[a-z0-9]{10}$/);
    expect(await journals.begin(newTask())).toEqual(first);
    expect((await stat(join(folder, 'tasks', `${id}.json`))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'tasks'))).mode & 0o777).toBe(0o700);
  });

  it('several workers change one journal, and one is killed meanwhile: nothing that was written is lost', async () => {
    await journals.begin(newTask());
    const start = (name: string, times: number): ChildProcess =>
      spawn(
        process.execPath,
        [
          join(__dirname, '../../helpers/journal-writer.js'),
          ...['tasks', 'open'].map((part) => join(folder, part)),
        ].concat([id, name, String(times)]),
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
    const writers = [start('a', 40), start('b', 40)];
    const endless = start('c', 1_000_000);
    const codes = Promise.all(writers.map(async (writer) => (await once(writer, 'exit'))[0] as unknown));
    // In the middle of its writing, whatever it does at that moment.
    for (let said = 0; said < 10;)
      said += ((await once(endless.stdout as NodeJS.ReadableStream, 'data'))[0] as Buffer).length;
    endless.kill('SIGKILL');
    expect(await codes).toEqual([0, 0]);
    const { notBackedUp } = await newJournals().get(id);
    const of = (name: string): string[] => notBackedUp.filter((entry) => entry.startsWith(name));
    expect(of('a')).toEqual(Array.from({ length: 40 }, (_none, count) => `a${count}`));
    expect(of('b')).toEqual(Array.from({ length: 40 }, (_none, count) => `b${count}`));
    expect(of('c').length).toBeGreaterThanOrEqual(10);
    await journals.recordUndo(id, { notBackedUp: [] });
    expect((await readdir(join(folder, 'tasks'))).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('another run is told that the task was reset', async () => {
    await journals.begin(newTask());
    await expect(journals.begin(newTask({ runId: 'run-2' }))).rejects.toMatchObject({ code: 'TaskWasReset' });
    const other = { workflowId: newTask().workflowId, runId: 'run-2' };
    await expect(journals.beginStep(id, other, 'preflight')).rejects.toMatchObject({ code: 'TaskWasReset' });
    expect((await journals.get(id)).step).toBeNull();
  });

  it('a forward step can write no more once undo has begun; undo can', async () => {
    await journals.begin(newTask());
    const step = await journals.beginStep(id, mine, 'preflight');
    await journals.recordUndo(id, { undoing: true });
    for (const act of [step.record({ staged: [] }), step.check(), step.end()])
      await expect(act).rejects.toMatchObject({ code: 'TaskSuperseded' });
    expect(await journals.recordUndo(id, { step: 'x' })).toMatchObject({ undoing: true, step: 'x', staged: [] });
  });

  it('a later attempt of a step takes over: the one before can write no more', async () => {
    await journals.begin(newTask());
    const first = await journals.beginStep(id, mine, 'preflight');
    const second = await newJournals().beginStep(id, mine, 'preflight');
    for (const act of [first.record({ notBackedUp: ['late'] }), first.check(), first.end()])
      await expect(act).rejects.toMatchObject({ code: 'TaskSuperseded' });
    await second.end();
    expect(await journals.get(id)).toMatchObject({ notBackedUp: [], steps: { preflight: { done: true } } });
  });

  it('a site has one open journal, however many are begun at once', async () => {
    const other = newTask({ task: 'example.com-20261124.031502-backup', type: 'backup' });
    const [one, two] = await Promise.allSettled([journals.begin(newTask()), journals.begin(other)]);
    expect([one?.status, two?.status]).toEqual(['fulfilled', 'rejected']);
    expect(two).toMatchObject({ reason: { code: 'SiteBusy' } });
    await journals.close(id, done);
    await journals.begin(other);
  });

  it('a task stays what it was begun as', async () => {
    await journals.begin(newTask());
    await expect(journals.begin(newTask({ type: 'backup' }))).rejects.toMatchObject({ code: 'StepRefused' });
  });

  it('a closed task refuses forward steps and keeps its outcome', async () => {
    await journals.begin(newTask());
    await journals.close(id, done);
    await journals.close(id, { ...done, status: 'failed' });
    expect((await journals.get(id)).outcome?.status).toBe('done');
    await expect(journals.beginStep(id, mine, 'preflight')).rejects.toMatchObject({ code: 'TaskWasReset' });
    const before = await journals.get(id);
    await expect(journals.recordUndo(id, { switched: true })).rejects.toMatchObject({ code: 'TaskSuperseded' });
    expect(await journals.get(id)).toEqual(before);
  });

  it('changes made side by side are all kept', async () => {
    await journals.begin(newTask());
    const step = await journals.beginStep(id, mine, 'preflight');
    await step.record({ step: null });
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => step.record((journal) => ({ step: `${journal.step ?? ''}${index},` }))),
    );
    const steps = (await journals.get(id)).step?.split(',').filter(Boolean).map(Number);
    expect(steps?.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index));
  });

  it('finds open tasks, of a site whose name begins like another too', async () => {
    await journals.begin(newTask());
    await journals.begin(
      newTask({ task: 'example.com-shop-20261124.031502-backup', site: 'example.com-shop', type: 'backup' }),
    );
    expect((await journals.open('example.com')).map((journal) => journal.task)).toEqual([id]);
    expect(await newJournals().open()).toHaveLength(2);
    await journals.close(id, done);
    expect(await journals.open('example.com')).toEqual([]);
  });

  it('a crash between marker and journal leaves nothing', async () => {
    await journals.begin(newTask());
    const marker = join(folder, 'open', 'example.com-20261124.000000-backup');
    await writeFile(marker, '');
    const anHourAgo = new Date(Date.now() - 3_600_000);
    await utimes(marker, anHourAgo, anHourAgo);
    expect(await journals.open('example.com')).toHaveLength(1);
    expect(await readdir(join(folder, 'open'))).toEqual([id]);
  });

  it('a crash between the outcome and the marker leaves the task closed', async () => {
    await journals.begin(newTask());
    await journals.close(id, done);
    await writeFile(join(folder, 'open', id), '');
    expect(await journals.open()).toEqual([]);
    expect(await readdir(join(folder, 'open'))).toEqual([]);
  });

  it('a marker that another process wrote just now stays: its journal is about to come', async () => {
    await journals.begin(newTask());
    const fresh = 'example.com-20261124.000000-backup';
    await writeFile(join(folder, 'open', fresh), '');
    expect(await journals.open('example.com')).toHaveLength(1);
    expect(await readdir(join(folder, 'open'))).toEqual([fresh, id]);
  });

  it('a clock that somebody sets takes no fresh marker away, and keeps none of another boot', async () => {
    await journals.begin(newTask());
    const written = await readFile(join(folder, 'open', id), 'utf8');
    const fresh = 'example.com-20261124.000000-backup';
    const marker = join(folder, 'open', fresh);
    await writeFile(marker, written);
    const yesterday = new Date(Date.now() - 86_400_000);
    await utimes(marker, yesterday, yesterday);
    expect(await journals.open('example.com')).toHaveLength(1);
    expect(await readdir(join(folder, 'open'))).toEqual([fresh, id]);
    await writeFile(marker, JSON.stringify({ ...JSON.parse(written), boot: 'another' }));
    await journals.open('example.com');
    expect(await readdir(join(folder, 'open'))).toEqual([id]);
    await writeFile(marker, JSON.stringify({ ...JSON.parse(written), ms: -3_600_000 }));
    await journals.open('example.com');
    expect(await readdir(join(folder, 'open'))).toEqual([id]);
  });

  it('the newest task of a site is that of the latest time in its id', async () => {
    expect(await journals.newestTask('example.com')).toBeNull();
    const ids = ['20261124.000003-backup', '20261124.000002-restore', '20261124.000001-verify'];
    for (const end of ids) {
      await journals.begin({ ...newTask(), task: `example.com-${end}` });
      await journals.close(`example.com-${end}`, done);
    }
    await journals.begin({ ...newTask(), site: 'example.com-2', task: 'example.com-2-20291124.000000-backup' });
    expect(await journals.newestTask('example.com')).toBe('example.com-20261124.000003-backup');
  });

  it('a crash in mid-write leaves the journal as it was', async () => {
    await journals.begin(newTask());
    const before = await readFile(join(folder, 'tasks', `${id}.json`), 'utf8');
    await writeFile(join(folder, 'tasks', `.${id}.json.abc.tmp`), before.slice(0, 20));
    expect((await newJournals().get(id)).task).toBe(id);
    expect(await journals.all()).toEqual([id]);
  });

  it('an unfinished marker or journal, and a journal that cannot be read, stop nothing on other sites', async () => {
    await journals.begin(newTask());
    const other = 'other.example-20261124.000000-backup';
    await writeFile(join(folder, 'open', `.${other}.0123456789ab.tmp`), '');
    await writeFile(join(folder, 'open', other), '');
    await writeFile(join(folder, 'tasks', `${other}.json`), '{"version":');
    expect((await journals.open()).map((journal) => journal.task)).toEqual([id]);
    expect((await journals.open('example.com')).map((journal) => journal.task)).toEqual([id]);
    expect((await journals.newest(10)).map((journal) => journal.task)).toEqual([id]);
    // Whether its own site may be touched nobody knows.
    await expect(journals.open('other.example')).rejects.toMatchObject({ code: 'StateInvalid' });
  });

  it.each(['', '{', '{}', '[]', '{"version":2}'])(
    'a journal that holds %j is an error that names the file',
    async (content) => {
      await journals.begin(newTask());
      await writeFile(join(folder, 'tasks', `${id}.json`), content);
      await expect(journals.get(id)).rejects.toMatchObject({
        code: 'StateInvalid',
        message: expect.stringContaining(`${id}.json`) as unknown,
      });
    },
  );

  it.each(['../x', '', '/etc/passwd', 'a/b', '.hidden', 'a\0b'])('%j is no task', async (name) => {
    await expect(journals.get(name)).rejects.toMatchObject({ code: 'TaskUnknown' });
  });

  it('tells the redactor of the passwords it holds, and holds none once it is closed', async () => {
    await journals.begin(newTask());
    const database = {
      database: 'd',
      account: { user: 'u', hosts: ['localhost'] },
      password: 'old-secret',
      address: 'localhost',
      madeByKedge: false,
    };
    await journals.recordUndo(id, { before: database });
    secrets.length = 0;
    await newJournals().get(id);
    expect(secrets).toEqual(['old-secret']);

    await journals.close(id, done);
    expect(await readFile(join(folder, 'tasks', `${id}.json`), 'utf8')).not.toContain('old-secret');
    expect((await journals.get(id)).before).toEqual({ ...database, password: '' });
  });
});
