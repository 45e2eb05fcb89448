import { type AddressInfo, createServer } from 'node:net';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Client } from '@temporalio/client';
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import Long from 'long';
import type { Finding } from '../../src/contract/findings';
import { SEARCH_ATTRIBUTES } from '../../src/contract/names';
import type { WantedSchedule } from '../../src/contract/schedules';
import { runChecks } from '../../src/core/doctor/run-checks';
import { type ConnectedTemporal, TEMPORAL_CHECKS } from '../../src/temporal/checks';
import { isStuck } from '../../src/temporal/running';
import { MasterSchedules } from '../../src/temporal/schedules';
import { cronOf } from '../helpers/cron';
import { FakeActivities, activitiesBySite } from '../helpers/fake-activities';
import { testOperation } from '../helpers/operation';
import { MASTER, TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  await setRetention('default', 30 * 24);
});
afterAll(() => environment?.teardown());

function subject(changes: Partial<ConnectedTemporal> = {}): ConnectedTemporal {
  return {
    client: environment.client,
    address: '127.0.0.1:1',
    namespace: 'default',
    tls: false,
    master: MASTER,
    taskQueue: TASK_QUEUE,
    sites: [],
    schedules: [],
    ...changes,
  };
}

const findings = (changes: Partial<ConnectedTemporal> = {}): Promise<Finding[]> =>
  runChecks(TEMPORAL_CHECKS, subject(changes), {}, testOperation());

async function setRetention(namespace: string, hours: number): Promise<void> {
  const config = { workflowExecutionRetentionTtl: { seconds: Long.fromNumber(hours * 3600) } };
  await environment.client.workflowService.updateNamespace({ namespace, config });
}

/** Findings beside a worker. */
const beside = <T>(work: () => Promise<T>): Promise<T> => withWorker(environment, {}, work);

it('with a worker all is well; without one nobody takes tasks', async () => {
  await beside(async () => {
    await until('the worker polls', async () => (await findings()).length === 0);
  });
  expect(await findings({ taskQueue: 'kedge/another' })).toEqual([
    {
      check: 'temporal-worker',
      level: 'error',
      message: 'no worker takes tasks from kedge/another',
      hint: 'Start one with `kedge worker`, or see why its service does not run.',
    },
  ]);
});

it('a workflow whose code fails again and again is stuck', async () => {
  await beside(async () => {
    const handle = await environment.client.workflow.start('noSuchWorkflow', {
      workflowId: 'site/stuck.example',
      taskQueue: TASK_QUEUE,
      // Repeated failures are not reported: the task times out.
      workflowTaskTimeout: '1 second',
    });
    let found: Finding[] = [];
    await until('the workflow task has failed', async () => {
      found = (await findings()).filter(({ check }) => check === 'temporal-workflows');
      return found.length > 0;
    });
    expect(await isStuck(environment.client, handle.workflowId, handle.firstExecutionRunId)).toBe(true);
    await handle.terminate();
    expect(found).toMatchObject([
      {
        level: 'error',
        message: expect.stringMatching(
          /^the workflow site\/stuck\.example is stuck: its workflow task is at attempt [3-9]/,
        ),
        hint: expect.stringContaining('`temporal workflow show --workflow-id site/stuck.example`'),
      },
    ]);
    await until('it is gone from the list', async () => (await findings()).length === 0);
  });
});

it('undo that cannot finish', async () => {
  const attention = defineSearchAttributeKey(SEARCH_ATTRIBUTES.attention, SearchAttributeType.KEYWORD);
  const start = (workflowId: string, value: string) =>
    environment.client.workflow.start('restore', {
      workflowId,
      taskQueue: 'kedge/attention',
      typedSearchAttributes: [{ key: attention, value }],
    });
  const handles = [await start('site/a.example', 'none'), await start('site/b.example', 'dropDatabase')];
  const mine = async (): Promise<Finding[]> =>
    (await findings({ taskQueue: 'kedge/attention' })).filter(({ check }) => check === 'temporal-workflows');
  await until('it is listed', async () => (await mine()).length > 0);
  expect(await mine()).toMatchObject([
    {
      level: 'error',
      message: 'undo in the workflow site/b.example cannot finish: dropDatabase',
      hint: expect.stringContaining('`kedge log b.example`') as unknown,
    },
  ]);
  for (const handle of handles) await handle.terminate();
});

it('a step that somebody paused, with who did it and why', async () => {
  const site = 'paused.example';
  const fakes = new Map([[site, new FakeActivities().set('preflight', { fails: 'HostUnreachable' })]]);
  await withWorker(environment, activitiesBySite(fakes), async () => {
    const handle = await environment.client.workflow.start('verify', {
      ...{ workflowId: `site/${site}`, taskQueue: TASK_QUEUE, args: [{ site }] },
    });
    await fakes.get(site)?.began('preflight');
    await environment.client.workflowService.pauseActivity({
      ...{ namespace: 'default', execution: { workflowId: handle.workflowId }, type: 'preflight' },
      ...{ identity: 'anna@desk', reason: 'the disk is being moved' },
    });
    let found: Finding[] = [];
    await until('it is listed', async () => {
      found = (await findings()).filter(({ check }) => check === 'temporal-workflows');
      return found.length > 0;
    });
    await handle.terminate();
    expect(found).toEqual([
      {
        check: 'temporal-workflows',
        level: 'warning',
        message: expect.stringMatching(
          /^preflight of the workflow site\/paused\.example is paused in Temporal by anna@desk since 20\d\d-\d\d-\d\d \S+ UTC \("the disk is being moved"\)/,
        ) as unknown,
        hint: expect.stringContaining(
          '`temporal activity unpause --workflow-id site/paused.example --activity-type preflight`',
        ) as unknown,
      },
    ]);
  });
});

it('a namespace that is missing, forgets early, or lacks search attributes', async () => {
  const inNamespace = (namespace: string): Promise<Finding[]> =>
    findings({ namespace, client: new Client({ connection: environment.connection, namespace }) });
  expect(await inNamespace('bare')).toMatchObject([
    { check: 'temporal-namespace', level: 'error', message: 'Temporal has no namespace bare' },
  ]);
  await environment.client.workflowService.registerNamespace({
    namespace: 'bare',
    workflowExecutionRetentionPeriod: { seconds: Long.fromNumber(24 * 3600) },
  });
  let found: Finding[] = [];
  await until('the namespace is known everywhere', async () => {
    found = await inNamespace('bare');
    return found.every(({ message }) => !/not found/i.test(message) && message !== 'Temporal has no namespace bare');
  });
  expect(found).toMatchObject([
    {
      check: 'temporal-namespace',
      level: 'warning',
      message: 'the namespace bare forgets a workflow 24 hours after its end',
      hint: 'Run `temporal operator namespace update --namespace bare --retention 30d`.',
    },
    {
      check: 'temporal-search-attributes',
      level: 'error',
      message: expect.stringContaining('lacks the search attributes KedgeSite') as unknown,
      hint: expect.stringContaining('temporal operator search-attribute create --namespace bare') as unknown,
    },
    { check: 'temporal-worker' },
  ]);
});

it('schedules that are not in Temporal as they are in the configuration', async () => {
  const wanted = (minute: number): WantedSchedule => ({
    ...{ name: 'nightly', timeZone: 'UTC', jitterMs: 0 },
    cron: cronOf(`${minute} 3 * * *`),
  });
  const found = async (schedules: readonly WantedSchedule[]): Promise<string[]> =>
    (await findings({ schedules })).filter(({ check }) => check === 'temporal-schedules').map(({ message }) => message);
  expect(await found([wanted(15)])).toEqual(['the schedule nightly of the configuration is not in Temporal']);
  const own = new MasterSchedules(environment.client, MASTER);
  for (const difference of await own.compare([wanted(15)])) await own.apply(difference, [wanted(15)]);
  expect(await found([wanted(15)])).toEqual([]);
  expect(await found([wanted(30)])).toEqual(['the schedule nightly is not in Temporal as it is in the configuration']);
  await until('it is listed', async () => (await found([])).length > 0);
  expect(await found([])).toEqual(['the schedule nightly is in Temporal, and not in the configuration']);
  await own.apply({ name: 'nightly', change: 'gone', fields: [] }, []);
});

it('Temporal that others than this machine reach without TLS', async () => {
  const tls = async (changes: Partial<ConnectedTemporal>): Promise<string[]> =>
    (await findings(changes)).filter(({ check }) => check === 'temporal-tls').map(({ message }) => message);
  const open = createServer();
  await new Promise<void>((resolve) => open.listen(0, '0.0.0.0', resolve));
  const { port } = open.address() as AddressInfo;
  try {
    const message = `Temporal listens without TLS at port ${port} of more than this machine: whoever reaches it can start tasks`;
    expect(await tls({ address: `127.0.0.1:${port}` })).toEqual([message]);
    expect(await tls({ address: `127.0.0.1:${port}`, tls: true })).toEqual([]);
    expect(await tls({ address: 'temporal.example:7233' })).toEqual([
      'Temporal at temporal.example:7233 is reached without TLS',
    ]);
    expect(await tls({ address: 'temporal.example:7233', tls: true })).toEqual([]);
  } finally {
    await new Promise((resolve) => open.close(resolve));
  }
});
