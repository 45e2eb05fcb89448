import { writeFile, appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BareMaster, SITE } from '../helpers/bare-master';

const OTHER = 'garden.example';

let master: BareMaster;
beforeEach(async () => {
  master = await BareMaster.start();
  await appendFile(join(master.folder, 'kedge.yaml'), 'limits: { backups: 1, restores: 1 }\n');
});
afterEach(() => master.stop());

const REFUSALS = { WorkflowIdRefused: { workflowId: `site/${OTHER}` }, TaskWasReset: { runId: 'another' } };

it('one task has the lease, the next one fails so that Temporal asks again, and has it when the first has ended', async () => {
  const first = await master.begin('000001', 'backup');
  const second = await master.begin('000002', 'backup', {}, OTHER);
  const ask = ({ task, run }: typeof first, attempt = 1) => master.call(run, 'awaitLease', [{ task }], attempt);
  expect(await ask(first)).toEqual({ value: null, warnings: [] });
  // A lost answer is asked for once more.
  expect(await ask(first, 2)).toEqual({ value: null, warnings: [] });
  await expect(ask(second)).rejects.toMatchObject({
    type: 'LeaseAwaited',
    nextRetryDelay: 500,
    message: '1 task comes first: limits.backups says how many run at one time',
  });
  await expect(ask(second, 2)).rejects.toMatchObject({ type: 'LeaseAwaited' });
  // Whose workflow is no more keeps nobody waiting.
  master.running.delete(first.run.runId);
  expect(await ask(second, 3)).toEqual({ value: null, warnings: [] });
  expect(master.logOf(second.task)).toEqual([
    '1 task comes first: limits.backups says how many run at one time',
    expect.stringMatching(/^waited \d+ s for its turn among the backups$/),
  ]);
});

it('restores wait for restores alone, and a verify for nobody', async () => {
  const tasks = [
    await master.begin('000001', 'backup'),
    await master.begin('000002', 'restore', {}, OTHER),
    await master.begin('000003', 'verify', {}, 'third.example'),
  ];
  for (const { task, run } of tasks)
    expect(await master.call(run, 'awaitLease', [{ task }])).toEqual({ value: null, warnings: [] });
});

it.each(Object.entries(REFUSALS))('%s', async (code, stranger) => {
  const { task, run } = await master.begin('000001', 'backup');
  await expect(master.call({ ...run, ...stranger }, 'awaitLease', [{ task }])).rejects.toMatchObject({ code });
});

it('a task that only undoes, or whose site was taken over, asks for nothing any more', async () => {
  const undoing = await master.begin('000001', 'backup', { undoing: true });
  const taken = await master.begin('000002', 'backup', {}, OTHER);
  await master.parts.epochs.raise(OTHER, 'anna', 'the shop opens at nine');
  for (const { task, run } of [undoing, taken])
    await expect(master.call(run, 'awaitLease', [{ task }])).rejects.toMatchObject({ code: 'TaskSuperseded' });
});

it('a task of a newer Kedge is waited for by its own site alone', async () => {
  const newer = await master.begin('000001', 'backup');
  await master.call(newer.run, 'awaitLease', [{ task: newer.task }]);
  const path = join(master.folder, 'state/tasks', `${newer.task}.json`);
  await writeFile(path, JSON.stringify({ version: 99 }));
  const other = await master.begin('000002', 'backup', {}, OTHER);
  expect(await master.call(other.run, 'awaitLease', [{ task: other.task }])).toEqual({ value: null, warnings: [] });
  await expect(master.call(newer.run, 'awaitLease', [{ task: newer.task }])).rejects.toMatchObject({
    code: 'NewerVersion',
    message: expect.stringContaining(SITE) as unknown,
  });
});
