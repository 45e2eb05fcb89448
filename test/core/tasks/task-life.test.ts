import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { identify } from '../../../src/core/hosts/processes';
import { bootNow } from '../../../src/core/clock';
import { taskLives } from '../../../src/core/tasks/task-life';
import { type WorkerProcess, thisProcess } from '../../../src/core/tasks/worker-process';

const { boot } = bootNow();

const lives = (state: 'running' | 'closed' | 'unknown', worker: WorkerProcess | null, attempted = false) =>
  taskLives(
    { task: 'example.com-20261124.031502-restore', workflowId: 'site/example.com', runId: 'run', worker },
    async () => state,
    () => attempted,
  );

test('a run that this Temporal does not know is no proof that its task is dead: its worker is', async () => {
  const other = spawn('sleep', ['600']);
  try {
    const { pid = 0 } = other;
    const worker = { boot, ...((await identify(pid)) ?? { pid, started: '' }) };
    expect(await lives('unknown', worker)).toBe(true);
    // Another process of this id, and one of before the last boot.
    expect(await lives('unknown', { ...worker, started: '1' })).toBe(false);
    expect(await lives('unknown', { ...worker, boot: 'another' })).toBe(false);
    // Whatever lives: Temporal knows of this one.
    expect(await lives('closed', worker)).toBe(false);
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(await lives('unknown', worker)).toBe(false);
  } finally {
    other.kill('SIGKILL');
  }
});

test('of the worker that asks only what it still attempts counts', async () => {
  const worker = await thisProcess();
  expect(await lives('unknown', worker)).toBe(false);
  expect(await lives('unknown', worker, true)).toBe(true);
  expect(await lives('unknown', null)).toBe(false);
  expect(await lives('running', null)).toBe(true);
});
