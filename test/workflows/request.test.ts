import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import { type ApplicationFailure, CancelledFailure, defaultPayloadConverter } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { KedgeClient } from '../../src/client';
import { taskQueueOf } from '../../src/contract/names';
import type { TaskType } from '../../src/contract/names';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { FakeActivities, activitiesBySite } from '../helpers/fake-activities';
import { MASTER, TASK_QUEUE, WorkflowLab, findingOutcomes, withWorker } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

/* Tasks that a workflow under any ID asks for: Temporal's Schedules, children, other languages. */

jest.setTimeout(180_000);

let lab: WorkflowLab;
let client: KedgeClient;
beforeAll(async () => {
  lab = await WorkflowLab.start();
  client = new KedgeClient(lab.environment.client, MASTER);
});
afterAll(() => lab.stop());

let requests = 0;

/** Asks for a task as a service does that knows nothing but the name of the workflow. */
function ask(type: TaskType, input: object, more: { waitTurn?: boolean } = {}, workflowId?: string) {
  requests += 1;
  return lab.environment.client.workflow.start('request', {
    workflowId: workflowId ?? `night-${requests}`,
    taskQueue: TASK_QUEUE,
    args: [{ type, input, ...more }],
  });
}

async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure | CancelledFailure> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  if (!(error instanceof WorkflowFailedError)) throw new Error(`it did not fail: ${JSON.stringify(error)}`);
  return error.cause as ApplicationFailure;
}

const inputOf = (fake: FakeActivities): { requestKey?: string } =>
  (fake.arguments.get('preflight') as [{ input: { requestKey?: string } }])[0].input;

/** The id of the task it asked for, once that was taken in. */
async function taskOf(handle: WorkflowHandle): Promise<string> {
  let task: string | undefined;
  await until('it has a ticket', async () => {
    for (const { workflowExecutionSignaledEventAttributes: signal } of (await handle.fetchHistory()).events ?? []) {
      if (signal?.signalName !== 'answered') continue;
      const [payload] = signal.input?.payloads ?? [];
      const answer = payload && defaultPayloadConverter.fromPayload<{ ticket?: { task: string } }>(payload);
      task ??= answer?.ticket?.task;
    }
    return task !== undefined;
  });
  return task ?? '';
}

describe('a request', () => {
  it.concurrent('ends as its task does, with its result', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const handle = await ask('backup', { site, who: 'a schedule', description: 'Automated backup' });
    expect(await handle.result()).toMatchObject({ site, warnings: ['a file changed while it was read'] });
    expect(inputOf(fake)).toMatchObject({ who: 'a schedule', description: 'Automated backup' });
    expect(inputOf(fake).requestKey).toBe(`${handle.workflowId}/${handle.firstExecutionRunId}`);
    const { searchAttributes } = await handle.describe();
    expect(searchAttributes['KedgeSite']).toEqual([site]);
  });

  it.concurrent('the same ID on another day is another task', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const results = [];
    for (let day = 1; day <= 2; day += 1)
      results.push(await (await ask('verify', { site }, {}, `verify-${site}`)).result());
    expect(results).toMatchObject([{ site }, { site }]);
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(2);
  });

  it.concurrent('fails with the code, the words and the details of its task', async () => {
    const fake = new FakeActivities().set('dumpDatabase', { fails: 'SiteUnknown' });
    const site = lab.siteWith(fake);
    const failure = await failureOf(await ask('backup', { site }));
    expect(failure).toMatchObject({ type: 'SiteUnknown', message: 'dumpDatabase failed', nonRetryable: true });
    expect((failure as ApplicationFailure).details?.[0]).toMatchObject({ site, state: 'the site is as it was before' });
  });

  it.concurrent('waits for a busy site, in turn with others; or fails where it is not to wait', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const holds = await client.backup({ site, who: 'anna' });
    await fake.began('tarball');
    const refused = await failureOf(await ask('verify', { site }, { waitTurn: false }));
    expect(refused).toMatchObject({ type: 'SiteBusy' });
    expect(refused.message).toContain(`${holds.task} by anna`);
    const waits = await ask('verify', { site });
    await taskOf(waits);
    const last = await client.verify({ site }, { waitTurn: true });
    await holds.cancel();
    const { task } = (await waits.result()) as { task: string };
    expect(task < last.task).toBe(true);
    await last.result();
  });

  it.concurrent('that is cancelled stops its task, and ends when that is undone', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const handle = await ask('backup', { site });
    await fake.began('tarball');
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    expect(fake.done).toContain('discardUnpublished');
    expect((await lab.environment.client.workflow.getHandle(`site/${site}`).describe()).status.name).toBe('CANCELLED');
  });

  it.concurrent('that is cancelled while it waits gives its turn up', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const holds = await client.backup({ site });
    await fake.began('tarball');
    const handle = await ask('verify', { site });
    await taskOf(handle);
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(fake.calls).not.toContain('probeSite');
    await holds.cancel();
    await lab.environment.client.workflow.getHandle(`turns/${site}`).result();
    expect(fake.calls).not.toContain('probeSite');
  });

  it.concurrent('whose turn somebody else gives up fails, and says so', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const holds = await client.backup({ site });
    await fake.began('tarball');
    const handle = await ask('verify', { site });
    expect(await client.task(site, await taskOf(handle)).giveUpTurn()).toBe(true);
    expect(await failureOf(handle)).toMatchObject({ type: 'Cancelled' });
    await holds.cancel();
  });

  it.concurrent('finds its task again when the queue was terminated', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const handle = await ask('backup', { site });
    await fake.began('tarball');
    fake.set('findTaskOfRequest', { returns: await taskOf(handle) });
    await lab.environment.client.workflow.getHandle(`turns/${site}`).terminate('a test');
    await lab.environment.client.workflow.getHandle(`site/${site}`).cancel();
    expect(await failureOf(handle)).toMatchObject({ type: 'Cancelled' });
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(1);
  });

  it.concurrent('believes no signal: neither a ticket of another site nor an end', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const handle = await ask('backup', { site });
    await fake.began('tarball');
    for (const odd of [null, 'x', 7, {}, { ticket: { task: 'other.example-20261124.031502-backup' } }, { ticket: 7 }]) {
      await handle.signal('answered', odd);
      await handle.signal('ended', odd);
    }
    await handle.signal('ended', { task: 'other.example-20261124.031502-backup', runId: 'x' });
    await lab.environment.client.workflow.getHandle(`turns/${site}`).signal('ask', { requester: 7 });
    await lab.environment.client.workflow.getHandle(`turns/${site}`).signal('cancel', { task: 7 });
    await lab.environment.client.workflow.getHandle(`site/${site}`).cancel();
    expect(await failureOf(handle)).toMatchObject({ type: 'Cancelled' });
  });

  it.concurrent.each<[string, unknown[], RegExp]>([
    ['nothing', [], /type and input/],
    ['null', [null], /type and input/],
    ['a text', ['backup'], /type and input/],
    ['no site', [{ type: 'backup', input: {} }], /no host name/],
    ['a path', [{ type: 'backup', input: { site: '../x' } }], /no host name/],
    ['another type', [{ type: 'turns', input: { site: 'example.com' } }], /no task/],
    ['a task of its own', [{ type: 'backup', input: { site: 'example.com', task: 'x' } }], /gives tasks their ids/],
    ['too much', [{ type: 'backup', input: { site: 'example.com', who: 'x'.repeat(300_000) } }], /at most/],
  ])('refuses %s', async (_what, args, words) => {
    requests += 1;
    const handle = await lab.environment.client.workflow.start('request', {
      workflowId: `odd-${requests}`,
      taskQueue: TASK_QUEUE,
      args,
    });
    const failure = await failureOf(handle);
    expect(failure).toMatchObject({ type: 'InputInvalid' });
    expect(failure.message).toMatch(words);
  });
});

describe('asked for by', () => {
  it.concurrent("a Schedule of Temporal's", async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const { schedule } = lab.environment.client;
    const nightly = await schedule.create({
      scheduleId: `nightly-${site}`,
      spec: { cronExpressions: ['15 3 * * *'] },
      action: {
        type: 'startWorkflow',
        workflowType: 'request',
        workflowId: `nightly/${site}`,
        taskQueue: TASK_QUEUE,
        args: [{ type: 'backup', input: { site } }],
      },
    });
    await nightly.trigger();
    await until('it was begun', async () => (await nightly.describe()).info.recentActions.length > 0);
    const [action] = (await nightly.describe()).info.recentActions;
    const begun = action?.action.type === 'startWorkflow' ? action.action.workflow : undefined;
    expect(begun?.workflowId).toMatch(new RegExp(`^nightly/${site}-\\d{4}-`));
    expect(await lab.environment.client.workflow.getHandle(begun?.workflowId ?? '').result()).toMatchObject({ site });
    await nightly.delete();
  });

  it.concurrent('a child of a workflow of somebody else', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const worker = await Worker.create({
      connection: lab.environment.nativeConnection,
      taskQueue: 'somebody-else',
      workflowsPath: join(__dirname, '../helpers/asking-parent.js'),
    });
    const result = await worker.runUntil(() =>
      lab.environment.client.workflow.execute('deployment', {
        workflowId: `deployment-${site}`,
        taskQueue: 'somebody-else',
        args: [TASK_QUEUE, { type: 'backup', input: { site } }],
      }),
    );
    expect(result).toMatchObject({ site });
  });

  it.concurrent("Temporal's own program", async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const { stdout } = await promisify(execFile)(await findTemporalCli(), [
      ...['workflow', 'execute', '--type', 'request', '--workflow-id', `by-hand-${site}`],
      ...['--task-queue', TASK_QUEUE, '--input', JSON.stringify({ type: 'verify', input: { site } })],
      ...['--address', lab.environment.address, '--output', 'json'],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'COMPLETED', result: { site } });
  });

  it.concurrent('150 at once of a worker with places for two activities', async () => {
    const queue = taskQueueOf('narrow');
    const fakes = new Map(
      Array.from({ length: 150 }, (_, number) => [`n${number}.example`, new FakeActivities()] as const),
    );
    const { client } = lab.environment;
    const activities = { ...activitiesBySite(fakes), findOutcome: findingOutcomes(client) };
    await withWorker(
      lab.environment,
      activities,
      async () => {
        const handles = await Promise.all(
          [...fakes.keys()].map((site) =>
            client.workflow.start('request', {
              workflowId: `one-of-150/${site}`,
              taskQueue: queue,
              args: [{ type: 'verify', input: { site } }],
            }),
          ),
        );
        const sites = await Promise.all(
          handles.map(async (handle) => ((await handle.result()) as { site: string }).site),
        );
        expect(sites).toEqual([...fakes.keys()]);
      },
      queue,
      { places: 2 },
    );
  });
});
