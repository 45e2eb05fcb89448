import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { KedgeClient } from '../../src/client';
import { retryNow } from '../../src/temporal/retry';
import { FakeActivities, activitiesBySite } from '../helpers/fake-activities';
import { until } from '../helpers/until';
import { MASTER, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
let client: KedgeClient;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  client = new KedgeClient(environment.client, MASTER);
});
afterAll(() => environment?.teardown());

/** A backup whose step `tarball` does as it is told. */
async function backUp(site: string, fake: FakeActivities, work: (retry: () => Promise<string[]>) => Promise<void>) {
  await withWorker(environment, activitiesBySite(new Map([[site, fake]])), async () => {
    const handle = await client.backup({ site });
    const { runId } = await environment.client.workflow.getHandle(`site/${site}`).describe();
    await work(() => retryNow(environment.client, `site/${site}`, runId));
    expect(await handle.result()).toMatchObject({ site });
  });
}

it('has a step that waits for its next attempt begin it now', async () => {
  const fake = new FakeActivities().set('tarball', { fails: 'HostUnreachable', again: '1 hour' });
  await backUp('away.example', fake, async (retry) => {
    await until('it failed', () => fake.calls.includes('tarball!'));
    fake.clear('tarball');
    await until('it is asked to try again', async () => (await retry()).join() === 'tarball');
  });
});

it('leaves what is at work, what somebody paused and what waits for its turn as it is', async () => {
  const site = 'left.example';
  const fake = new FakeActivities().set('awaitLease', { fails: 'LeaseAwaited', again: '1 hour' });
  const paused = new FakeActivities().set('tarball', { blocks: true, endsWith: 'StepPaused' });
  const { workflowService } = environment.client;
  await withWorker(
    environment,
    activitiesBySite(
      new Map([
        [site, fake],
        ['paused.example', paused],
      ]),
    ),
    async () => {
      const runOf = async (uri: string) =>
        (await environment.client.workflow.getHandle(`site/${uri}`).describe()).runId;
      const retry = async (uri: string) => retryNow(environment.client, `site/${uri}`, await runOf(uri));
      await client.backup({ site });
      await until('it waits', () => fake.calls.includes('awaitLease!'));
      expect(await retry(site)).toEqual([]);
      await client.backup({ site: 'paused.example' });
      await paused.began('tarball');
      expect(await retry('paused.example')).toEqual([]);
      await workflowService.pauseActivity({
        ...{ namespace: 'default', execution: { workflowId: 'site/paused.example' } },
        ...{ type: 'tarball', identity: 'anna@desk', reason: 'wait for me' },
      });
      await until('its attempt has ended', () => paused.calls.includes('tarball!'));
      expect(await retry('paused.example')).toEqual([]);
      for (const uri of [site, 'paused.example'])
        await environment.client.workflow.getHandle(`site/${uri}`).terminate();
    },
  );
});
