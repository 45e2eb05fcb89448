import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { PlanRequest } from '../../src/activities/fleet';
import { KedgeClient } from '../../src/client';
import type { PlannedBackups } from '../../src/contract/fleet';
import { taskQueueOf } from '../../src/contract/names';
import { BACKUP_ALL, cancelBackupAll } from '../../src/temporal/backup-all';
import { startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

const MASTER = 'fleet';
const QUEUE = taskQueueOf(MASTER);

let environment: TestWorkflowEnvironment;
let client: KedgeClient;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  client = new KedgeClient(environment.client, MASTER);
});
afterAll(() => environment?.teardown());

/** The worker of the master: runs described by `waits` wait until they are cancelled, others have no site to back up. */
function besideWorker<T>(work: () => Promise<T>): Promise<T> {
  const planBackups = async ({ input }: PlanRequest): Promise<PlannedBackups> => {
    if (input.description === 'waits') await Context.current().cancelled;
    return { sites: [], more: false, backup: {}, prune: false, atOnce: 2 };
  };
  return withWorker(environment, { planBackups }, work, QUEUE);
}

it('a run that no worker takes is ended, unless it may wait for one', async () => {
  await expect(client.backupAll({}, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'NoWorker' });
  const started: string[] = [];
  for await (const { workflowId, status } of environment.client.workflow.list())
    started.push(`${workflowId.replace(/\d+\.\d+/, 'time')} ${status.name}`);
  expect(started.filter((one) => !one.endsWith('TERMINATED'))).toEqual([]);
  const waiting = await client.backupAll({ description: 'later' }, { keepWithoutWorker: true });
  await besideWorker(async () => {
    expect(await waiting.result()).toMatchObject({ requestKey: waiting.requestKey, sites: 0, failures: [] });
  });
});

it('runs that begin in the same second are two; one that is cancelled says so', async () => {
  await besideWorker(async () => {
    const runs = await Promise.all([1, 2, 3].map(() => client.backupAll({ description: 'waits' })));
    const ids = runs.map(({ workflowId }) => workflowId);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^backup-all\/\d{8}\.\d{6}(_\d+)?$/);
    const [first, second, third] = ids;
    await runs[0]?.cancel();
    await cancelBackupAll(environment.client, QUEUE, second ?? '');
    for (const run of runs.slice(0, 2))
      await expect(run.result()).rejects.toMatchObject({ code: 'Cancelled', message: 'the run was cancelled' });
    const refused = [
      [QUEUE, first, /has ended/],
      [QUEUE, 'backup-all/20200101.000000', /there is no backup-all/],
      ['kedge/another', third, /not .* of this master/],
    ] as const;
    for (const [queue, id, message] of refused)
      await expect(cancelBackupAll(environment.client, queue, id ?? '')).rejects.toMatchObject({
        code: 'TaskUnknown',
        message: expect.stringMatching(message) as string,
      });
    await environment.client.workflow.getHandle(third ?? '').terminate();
    await expect(runs[2]?.result()).rejects.toMatchObject({ code: 'TaskTerminated' });
  });
});

it('what is asked wrongly is refused before anything is started; a workflow of another kind is not cancelled', async () => {
  await expect(client.backupAll({ selection: { sites: ['../x'] } })).rejects.toMatchObject({
    code: 'InputInvalid',
    message: expect.stringContaining('selection.sites.0') as string,
  });
  const workflowId = 'schedule/of-somebody';
  await environment.client.workflow.start('theirs', { workflowId, taskQueue: QUEUE });
  await expect(cancelBackupAll(environment.client, QUEUE, workflowId)).rejects.toMatchObject({ code: 'TaskUnknown' });
  expect(BACKUP_ALL).toBe('backupAll');
});
