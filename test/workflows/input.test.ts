import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { kedgeErrorOf } from '../../src/temporal/failures';
import { KedgeClient } from '../../src/client';
import { FakeActivities } from '../helpers/fake-activities';
import { MASTER, TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(async () => {
  await environment.teardown();
});

const site = 'example.com';

describe('with a worker', () => {
  const fake = new FakeActivities();
  let stop: () => void;
  let stopped: Promise<void>;
  beforeAll(() => {
    stopped = withWorker(environment, fake.implementation(), () => new Promise<void>((resolve) => (stop = resolve)));
  });
  afterAll(async () => {
    stop();
    await stopped;
  });
  beforeEach(() => {
    fake.calls.length = 0;
  });

  /** The error a workflow of this input ends with; it ends, which a TypeError in its code would keep it from. */
  async function failureOf(type: string, workflowId: string, args: unknown[]): Promise<unknown> {
    return environment.client.workflow
      .execute(type, { workflowId, taskQueue: TASK_QUEUE, args, workflowRunTimeout: '20 seconds' })
      .then(
        () => null,
        (error: unknown) => kedgeErrorOf(error, site),
      );
  }

  it.each<[string, string, unknown[], string]>([
    ['backup', `site/${site}`, [], 'one object'],
    ['backup', `site/${site}`, [null], 'one object'],
    ['backup', `site/${site}`, ['example.com'], 'one object'],
    ['backup', `site/${site}`, [{}], 'site'],
    ['backup', `site/${site}`, [{ site: 'Example.com' }], 'site'],
    ['backup', 'site/../../etc', [{ site: '../../etc' }], 'site'],
    ['backup', `site/${site}`, [{ site, task: '../../../etc/passwd' }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 7 }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 'other.example-20261124.031502-backup' }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 'example.com-20261124.031502-restore' }], 'task'],
    ['restore', `site/${site}`, [{ site }], 'backup'],
    ['restore', `site/${site}`, [{ site, backup: 'x'.repeat(5000) }], 'backup'],
    ['restore', `site/${site}`, [undefined], 'one object'],
    ['verify', `site/${site}`, [[]], 'one object'],
    ['recover', `site/${site}`, [], 'site'],
    ['turns', `turns/${site}`, [{ site }], 'site'],
  ])('a %s as %s with %j fails as InputInvalid and touches nothing', async (type, workflowId, args, names) => {
    const failure = await failureOf(type, workflowId, args);
    expect(failure).toMatchObject({ code: 'InputInvalid', message: expect.stringContaining(names) as unknown });
    expect(fake.calls).toEqual([]);
  });

  it.each([
    ['backup', { site }],
    ['restore', { site, backup: 'example.com-20261124.031502' }],
    ['verify', { site }],
    ['recover', site],
    ['turns', site],
  ])('a %s under another ID is refused before it touches a journal', async (type, input) => {
    const failure = await failureOf(type, `mine/${type}`, [input]);
    expect(failure).toMatchObject({
      code: 'WorkflowIdRefused',
      site,
      message: expect.stringContaining(`mine/${type}`) as unknown,
    });
    expect(fake.calls).toEqual([]);
  });

  it.each([
    [undefined],
    ['backup'],
    [{ type: 'backup', waitTurn: false }],
    [{ type: 'backup', input: null, waitTurn: false }],
    [{ type: 'recover', input: { site }, waitTurn: false }],
    [{ type: 'backup', input: { site: 'other.example' }, waitTurn: false }],
    [{ type: 'backup', input: { site, task: 'example.com-20261124.031502-backup' }, waitTurn: false }],
    [{ type: 'backup', input: { site, who: 5 }, waitTurn: true }],
    [{ type: 'backup', input: { site, description: 'x'.repeat(30_000) }, waitTurn: false }],
    [{ type: 'backup', input: { site } }],
  ])('the queue refuses the request %j, and serves the next one', async (request) => {
    const client = new KedgeClient(environment.client, MASTER);
    const refused = await environment.client.workflow
      .executeUpdateWithStart('submit', {
        args: [request],
        startWorkflowOperation: new WithStartWorkflowOperation('turns', {
          workflowId: `turns/${site}`,
          taskQueue: TASK_QUEUE,
          args: [site],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      })
      .then(
        () => null,
        (error: unknown) => kedgeErrorOf(error, site),
      );
    expect(refused).toMatchObject({ code: 'InputInvalid' });
    const task = await client.backup({ site });
    await task.result();
    await environment.client.workflow.getHandle(`turns/${site}`).result();
  });
});

it('the client refuses what no task takes before it asks, and a request key of another type', async () => {
  const client = new KedgeClient(environment.client, MASTER);
  await expect(client.backup({ site: 'Example.com' })).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(client.restore({ site, backup: 'latest' })).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(client.backup({ site, description: 'x\u0007' })).rejects.toMatchObject({ code: 'InputInvalid' });
  await withWorker(environment, new FakeActivities().implementation(), async () => {
    const first = await client.backup({ site, requestKey: 'nightly', who: 'cron' });
    await expect(
      client.restore({ site, requestKey: 'nightly', backup: 'example.com-20261124.031502' }, { waitTurn: true }),
    ).rejects.toMatchObject({ code: 'InputInvalid', message: expect.stringContaining(first.task) as unknown });
    await first.result();
    await environment.client.workflow.getHandle(`turns/${site}`).result();
  });
});

it('a request that may wait for a worker is carried out when one comes', async () => {
  const client = new KedgeClient(environment.client, MASTER);
  const asked = client.verify({ site }, { timeoutMs: 1000, keepWithoutWorker: true });
  await expect(asked).rejects.toMatchObject({ code: 'NoWorker' });
  const fake = new FakeActivities();
  await withWorker(environment, fake.implementation(), async () => {
    await environment.client.workflow.getHandle(`turns/${site}`).result();
    await environment.client.workflow.getHandle(`site/${site}`).result();
  });
  expect(fake.done).toContain('verify');
});

it('a request nobody answered is not carried out hours later', async () => {
  const client = new KedgeClient(environment.client, MASTER);
  const fake = new FakeActivities().set('tarball', { blocks: true });
  const first = await withWorker(environment, fake.implementation(), () => client.backup({ site }));
  await expect(client.verify({ site }, { waitTurn: true, timeoutMs: 1000 })).rejects.toMatchObject({
    code: 'NoWorker',
  });
  fake.clear('tarball');
  await withWorker(environment, fake.implementation(), async () => {
    await first.result();
    await environment.client.workflow.getHandle(`turns/${site}`).result();
  });
  expect(fake.calls).not.toContain('verify');
});
