import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { FakeActivities } from '../helpers/fake-activities';
import { TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(async () => {
  await environment.teardown();
});

const HOOKS = ['before', 'fenced', 'afterSwitch', 'after'];
const restore = { site: 'example.com', backup: 'example.com-20261124.031502' };

function withHooks(): FakeActivities {
  const found = { site: 'example.com', description: '', attentionAfterMs: 500, backup: restore.backup, hooks: HOOKS };
  return new FakeActivities().set('preflight', { returns: { value: found, warnings: [] } });
}

async function run(type: string, input: object, fake: FakeActivities): Promise<unknown> {
  return withWorker(environment, fake.implementation(), async () => {
    const handle = await environment.client.workflow.start(type, {
      workflowId: 'site/example.com',
      taskQueue: TASK_QUEUE,
      args: [input],
    });
    return handle.result();
  });
}

/** The steps around each hook. */
function around(fake: FakeActivities): string[][] {
  const steps = fake.done.filter((step) => step !== 'syncRemote');
  return steps.flatMap((step, at) =>
    step.startsWith('run') ? [[steps[at - 1] ?? '', step, steps[at + 1] ?? '']] : [],
  );
}

it('a restore runs its hooks before anything, fenced, after the switch, and at the end', async () => {
  const fake = withHooks();
  await run('restore', restore, fake);
  expect(around(fake)).toEqual([
    ['preflight', 'runHook', 'enterMaintenance'],
    ['fenceWrites', 'runHook', 'dumpDatabase'],
    ['reloadWebServer', 'runHook', 'probeSite'],
    ['discardSpool', 'runLastHook', 'closeTask'],
  ]);
});

it('a backup runs the first and the last, and the one between when it is quiesced', async () => {
  const plain = withHooks();
  await run('backup', { site: 'example.com' }, plain);
  expect(around(plain).map(([before]) => before)).toEqual(['preflight', 'discardSpool']);
  const quiet = withHooks();
  await run('backup', { site: 'example.com', quiesce: true }, quiet);
  expect(around(quiet).map(([before]) => before)).toEqual(['preflight', 'fenceWrites', 'discardSpool']);
});

it('a hook that fails undoes the task; the last one is a warning', async () => {
  const failing = withHooks().set('runHook', { fails: 'HookFailed' });
  await expect(run('restore', restore, failing)).rejects.toMatchObject({ cause: { type: 'HookFailed' } });
  expect(failing.done).not.toContain('enterMaintenance');
  const late = withHooks().set('runLastHook', { fails: 'HookFailed' });
  expect(await run('backup', { site: 'example.com' }, late)).toMatchObject({
    warnings: expect.arrayContaining(['runLastHook could not finish: runLastHook failed']) as unknown,
  });
}, 60_000);
