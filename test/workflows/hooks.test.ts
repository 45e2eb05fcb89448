import { FakeActivities } from '../helpers/fake-activities';
import { WorkflowLab } from '../helpers/workflow-environment';

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

const HOOKS = ['before', 'fenced', 'afterSwitch', 'after'];
const restore = { backup: 'example.com-20261124.031502' };

function withHooks(): FakeActivities {
  const found = { site: 'example.com', description: '', attentionAfterMs: 500, backup: restore.backup, hooks: HOOKS };
  return new FakeActivities().set('preflight', { returns: { value: found, warnings: [] } });
}

async function run(type: string, input: object, fake: FakeActivities): Promise<unknown> {
  return (await lab.start(type, { ...input, site: lab.siteWith(fake) })).result();
}

/** The steps around each hook. */
function around(fake: FakeActivities): string[][] {
  const steps = fake.done.filter((step) => step !== 'syncRemote');
  return steps.flatMap((step, at) =>
    step.startsWith('run') ? [[steps[at - 1] ?? '', step, steps[at + 1] ?? '']] : [],
  );
}

it.concurrent('a restore runs its hooks before anything, fenced, after the switch, and at the end', async () => {
  const fake = withHooks();
  await run('restore', restore, fake);
  expect(around(fake)).toEqual([
    ['awaitLease', 'runHook', 'enterMaintenance'],
    ['fenceWrites', 'runHook', 'dumpDatabase'],
    ['reloadWebServer', 'runHook', 'probeSite'],
    ['discardSpool', 'runLastHook', 'closeTask'],
  ]);
});

it.concurrent('a backup runs the first and the last, and the one between when it is quiesced', async () => {
  const plain = withHooks();
  await run('backup', {}, plain);
  expect(around(plain).map(([before]) => before)).toEqual(['awaitLease', 'discardSpool']);
  const quiet = withHooks();
  await run('backup', { quiesce: true }, quiet);
  expect(around(quiet).map(([before]) => before)).toEqual(['awaitLease', 'fenceWrites', 'discardSpool']);
});

it.concurrent('a hook that fails undoes the task; the last one is a warning', async () => {
  const failing = withHooks().set('runHook', { fails: 'HookFailed' });
  await expect(run('restore', restore, failing)).rejects.toMatchObject({ cause: { type: 'HookFailed' } });
  expect(failing.done).not.toContain('enterMaintenance');
  const late = withHooks().set('runLastHook', { fails: 'HookFailed' });
  expect(await run('backup', {}, late)).toMatchObject({
    warnings: expect.arrayContaining(['runLastHook could not finish: runLastHook failed']) as unknown,
  });
});
