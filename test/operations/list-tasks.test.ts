import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { Journals } from '../../src/core/tasks/journals';
import { listTasks } from '../../src/operations/list-tasks';
import { newTask } from '../helpers/new-task';
import { targetIn } from '../helpers/target';

let folder: string;
let journals: Journals;
const redact = <T>(value: T): T => value;
/** A list says what it can. */
const away = (): Promise<never> => Promise.reject(new Error('Temporal is away'));
const { task, workflowId, runId } = newTask();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-list-'));
  const host = createLocalHost({ name: 'master' });
  journals = new Journals(join(folder, 'tasks'), join(folder, 'open'), host, () => undefined);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('names the undo that runs, one after the other, then the last step, and nothing once the task has ended', async () => {
  const listed = async () =>
    (await listTasks({ journals, redact }, away, { limit: 5 })).map(({ status, step }) => [status, step]);
  await journals.begin(newTask());
  for (const name of ['preflight', 'enterMaintenance', 'fenceWrites'] as const) {
    const step = await journals.beginStep(task, { workflowId, runId }, name);
    await step.record({ target: targetIn(folder) });
    await step.end();
  }
  expect(await listed()).toEqual([['running', 'fenceWrites']]);
  await journals.beginUndo(task);
  expect(await listed()).toEqual([['undoing', 'liftFence']]);
  await journals.recordUndo(task, { undone: ['liftFence'] });
  expect(await listed()).toEqual([['undoing', 'leaveMaintenance']]);
  await journals.recordUndo(task, { undone: ['liftFence', 'leaveMaintenance'] });
  expect(await listed()).toEqual([['undoing', 'fenceWrites']]);
  const ended = '2026-11-24T03:16:02.000Z';
  await journals.close(task, { status: 'failed', ended, code: null, message: null, warnings: [] });
  expect(await listed()).toEqual([['failed', null]]);
});
