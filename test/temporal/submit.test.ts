import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { KedgeClient } from '../../src/client';
import { activitiesBySite, FakeActivities } from '../helpers/fake-activities';
import { until } from '../helpers/until';
import { MASTER, TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

const SITE = 'example.com';
let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(() => environment?.teardown());

/** Runs `work` beside a worker that takes the tasks of queues and finishes none. */
async function besideBrokenWorker<T>(work: () => Promise<T>): Promise<T> {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: TASK_QUEUE,
    workflowsPath: join(__dirname, '../helpers/failing-turns.js'),
  });
  return worker.runUntil(work);
}

it('a queue whose tasks were lost several times lets nobody ask for a while: the request is accepted behind that', async () => {
  const client = new KedgeClient(environment.client, MASTER);
  const queue = environment.client.workflow.getHandle(`turns/${SITE}`);
  // Which of the two comes first is a matter of chance.
  const first = client.backup({ site: SITE }, { timeoutMs: 60_000, waitTurn: true });
  const { second } = await besideBrokenWorker(async () => {
    await until('its task has failed several times', async () => {
      const { raw } = await queue.describe().catch(() => ({ raw: null }));
      return (raw?.pendingWorkflowTask?.attempt ?? 0) >= 4;
    });
    return { second: client.verify({ site: SITE }, { timeoutMs: 60_000, waitTurn: true }) };
  });
  const activities = activitiesBySite(new Map([[SITE, new FakeActivities()]]));
  await withWorker(environment, activities, async () => {
    expect(await (await first).result()).toMatchObject({ site: SITE });
    expect(await (await second).result()).toMatchObject({ site: SITE });
  });
});
