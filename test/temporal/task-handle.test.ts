import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { KedgeClient } from '../../src/client';
import { type RunState } from '../../src/contract/tasks';
import { isOpen } from '../../src/temporal/running';
import { activitiesBySite, FakeActivities } from '../helpers/fake-activities';
import { resetRun } from '../helpers/reset-run';
import { until } from '../helpers/until';
import { MASTER, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
let client: KedgeClient;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  client = new KedgeClient(environment.client, MASTER);
});
afterAll(() => environment?.teardown());

const beside = <T>(site: string, fake: FakeActivities, work: () => Promise<T>): Promise<T> =>
  withWorker(environment, activitiesBySite(new Map([[site, fake]])), work);

it('tells who paused a step and why, and takes the end of its attempt for no failure', async () => {
  const site = 'paused.example';
  const fake = new FakeActivities().set('tarball', { blocks: true, endsWith: 'StepPaused' });
  await beside(site, fake, async () => {
    const handle = await client.backup({ site });
    await fake.began('tarball');
    const press = { namespace: 'default', execution: { workflowId: `site/${site}` }, type: 'tarball' };
    const { workflowService } = environment.client;
    await workflowService.pauseActivity({ ...press, identity: 'anna@desk', reason: 'wait for me' });
    await until('its attempt has ended', async () => fake.calls.includes('tarball!'));
    expect((await handle.status()).steps).toMatchObject([
      { step: 'tarball', lastFailure: null, paused: { by: 'anna@desk', why: 'wait for me' } },
    ]);
    fake.clear('tarball');
    await workflowService.unpauseActivity({ ...press, identity: 'anna@desk' });
    expect(await handle.result()).toMatchObject({ site });
  });
});

it('whoever waits for a task that is reset is told so, and not that it was terminated', async () => {
  const site = 'reset.example';
  const fake = new FakeActivities().set('tarball', { blocks: true });
  await beside(site, fake, async () => {
    const handle = await client.backup({ site });
    const ended = handle.result().catch((error: unknown) => error);
    await fake.began('tarball');
    await resetRun(environment.client, `site/${site}`);
    expect(await ended).toMatchObject({
      code: 'TaskWasReset',
      site,
      message: expect.stringContaining(`${handle.task} was reset in Temporal`) as unknown,
    });
    await environment.client.workflow.getHandle(`site/${site}`).terminate();
  });
});

it('whoever waits for a turn that somebody ended is told so, and does not wait for ever', async () => {
  const site = 'turn.example';
  const fake = new FakeActivities().set('tarball', { blocks: true });
  await beside(site, fake, async () => {
    await client.backup({ site });
    await fake.began('tarball');
    const waiting = await client.verify({ site }, { waitTurn: true });
    expect(waiting.ticket.waiting).toBe(true);
    const ended = waiting.result().catch((error: unknown) => error);
    await environment.client.workflow.getHandle(`turns/${site}`).terminate('pressed in the test');
    expect(await ended).toMatchObject({
      code: 'TaskTerminated',
      message: expect.stringContaining(`${waiting.task} lost its turn`) as unknown,
      state: 'the site is unchanged',
    });
    await environment.client.workflow.getHandle(`site/${site}`).terminate();
  });
});

it.each<[string, RunState]>([
  ['RUNNING', 'running'],
  ['PAUSED', 'running'],
  ['TERMINATED', 'closed'],
  ['COMPLETED', 'closed'],
])('a run that is %s counts as %s', (name, state) => {
  expect(isOpen({ status: { name, code: 0 } as never })).toBe(state === 'running');
});
