import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timeStamp } from '../../../src/contract/names';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Journals } from '../../../src/core/tasks/journals';
import { forgetOldTasks } from '../../../src/core/tasks/retention';
import { TaskLogs } from '../../../src/core/tasks/task-log';
import { newTask } from '../../helpers/new-task';

const DAY_MS = 24 * 3_600_000;
const now = new Date('2026-11-24T12:00:00.000Z');
const host = createLocalHost({ name: 'master' });

let folder: string;
let journals: Journals;
let logs: TaskLogs;
let reads: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-retention-'));
  reads = 0;
  const counting = new Proxy(host, {
    get(real, name: keyof typeof host) {
      const value: unknown = real[name];
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'readFile') reads += 1;
        return Reflect.apply(value, real, args);
      };
    },
  });
  journals = new Journals(join(folder, 'tasks'), join(folder, 'open'), counting, () => undefined);
  logs = new TaskLogs(join(folder, 'tasks'), (value) => value);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A task of so many days ago, closed unless it is said to be open. */
async function make(site: string, daysAgo: number, closed = true): Promise<string> {
  const submitted = new Date(now.getTime() - daysAgo * DAY_MS);
  const task = `${site}-${timeStamp(submitted)}-backup`;
  await journals.begin(newTask({ task, site, type: 'backup', runId: task }));
  const log = logs.of(task, 'preflight', 1);
  log.info('began');
  await log.settled();
  if (closed)
    await journals.close(task, {
      status: 'done',
      ended: submitted.toISOString(),
      code: null,
      message: null,
      warnings: [],
    });
  return task;
}

const forget = (keepDays: number, newest: number, isSettled: (task: string) => boolean = () => true) =>
  forgetOldTasks({ journals, logs, isSettled }, { keepMs: keepDays * DAY_MS, newest }, now);

describe('retention of tasks', () => {
  it('forgets journal and log of what is older, and keeps the newest of each site', async () => {
    const shop = [await make('shop.example', 200), await make('shop.example', 100), await make('shop.example', 10)];
    const quiet = [await make('quiet.example', 900), await make('quiet.example', 800)];
    expect(new Set(await forget(90, 1))).toEqual(new Set([quiet[0], shop[0], shop[1]]));
    expect((await readdir(join(folder, 'tasks'))).sort()).toEqual(
      [quiet[1], shop[2]].flatMap((task) => [`${task}.json`, `${task}.ndjson`]).sort(),
    );
    expect(await forget(90, 1)).toEqual([]);
  });

  it('never forgets an open task, one that left something behind, or one that ended lately', async () => {
    const untidy = await make('shop.example', 400);
    const long = await make('shop.example', 300, false);
    await journals.close(long, { status: 'done', ended: now.toISOString(), code: null, message: null, warnings: [] });
    await make('shop.example', 1);
    const open = await make('shop.example', 500, false);
    expect(await forget(90, 1, (task) => task !== untidy)).toEqual([]);
    for (const task of [open, untidy, long]) expect(existsSync(join(folder, 'tasks', `${task}.json`))).toBe(true);
    await expect(journals.remove(open)).rejects.toMatchObject({ code: 'Internal' });
  });

  it('a site whose name begins with that of another has tasks of its own', async () => {
    const other = await make('shop.example-two.example', 500);
    await make('shop.example', 400);
    expect(await forget(90, 1)).toEqual([]);
    expect((await journals.newest(10, 'shop.example')).map(({ task }) => task)).not.toContain(other);
  });

  it('of 10,000 tasks the newest are found by reading them alone, and nothing is read to forget none', async () => {
    const model = await make('model.example', 1);
    const text = await readFile(join(folder, 'tasks', `${model}.json`), 'utf8');
    const ids: string[] = [];
    await mkdir(join(folder, 'tasks'), { recursive: true });
    for (let batch = 0; batch < 100; batch += 1) {
      const tasks = Array.from({ length: 100 }, (_, index) => {
        const submitted = new Date(now.getTime() - (batch * 100 + index + 1) * 60_000);
        return `site${index}.example-${timeStamp(submitted)}-backup`;
      });
      ids.push(...tasks);
      await Promise.all(
        tasks.map((task) =>
          writeFile(
            join(folder, 'tasks', `${task}.json`),
            text.replaceAll(model, task).replaceAll('model.example', task.split('-')[0] ?? ''),
          ),
        ),
      );
    }
    reads = 0;
    expect((await journals.newest(50)).map(({ task }) => task)).toEqual(ids.slice(0, 50));
    expect(reads).toBe(50);
    expect((await journals.newest(3, 'site7.example')).map(({ task }) => task)).toEqual([ids[7], ids[107], ids[207]]);
    expect(reads).toBe(53);
    expect(await forget(90, 1)).toEqual([]);
    expect(reads).toBe(53);
  });
});
