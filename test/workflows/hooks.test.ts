import { defaultPayloadConverter } from '@temporalio/common';
import { type Accepted, finishOf, planOf } from '../../src/contract/steps';
import { planRestore } from '../../src/core/queries/restore-plan';
import { FakeActivities, preflightWithLimit } from '../helpers/fake-activities';
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

/** Every activity in the order in which the workflow asked for it, with the name of the hook it runs. */
async function askedFor(type: string, input: object, fake: FakeActivities): Promise<string[]> {
  const handle = await lab.start(type, { ...input, site: lab.siteWith(fake) });
  await handle.result();
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: asked }) => {
    if (!asked?.activityType?.name) return [];
    const [, hook] = asked.input?.payloads ?? [];
    const { name } = asked.activityType;
    return name === 'runHook' && hook ? [`${name} ${defaultPayloadConverter.fromPayload<string>(hook)}`] : [name];
  });
}

it.concurrent('the Web UI says which hook runs, and what a timer waits for', async () => {
  const { returns } = preflightWithLimit(60_000, 1000) as { returns: { value: object; warnings: string[] } };
  const value = { ...returns.value, attentionAfterMs: 60_000, hooks: HOOKS };
  const fake = new FakeActivities().set('preflight', { returns: { ...returns, value } });
  const handle = await lab.start('restore', { ...restore, site: lab.siteWith(fake) });
  await handle.result();
  const { events } = await handle.fetchHistory();
  const said = (events ?? []).flatMap((event) => {
    const isHook = event.activityTaskScheduledEventAttributes?.activityType?.name?.startsWith('run') === true;
    if (!isHook && !event.timerStartedEventAttributes) return [];
    const { summary } = event.userMetadata ?? {};
    return [summary ? defaultPayloadConverter.fromPayload<string>(summary) : null];
  });
  expect(said).toEqual([
    'Run the hook before of the site',
    'The longest that visitors may see the maintenance page',
    'Run the hook fenced of the site',
    'Run the hook afterSwitch of the site',
    'Ask somebody to look when this takes longer',
    'Ask somebody to look when this takes longer',
    'Run the hook after of the site',
  ]);
});

/** What every task asks for besides its steps, and says nothing of. */
const UNTOLD = ['findAbandonedTasks', 'awaitLease', 'closeTask'];

it.concurrent.each([
  ['backup', {}, []],
  ['backup', { quiesce: true }, ['liftFence', 'leaveMaintenance']],
  ['restore', restore, []],
  ['deploy', { archive: '/backups/one.tar.zst' }, []],
  ['verify', {}, []],
] as const)('a %s of %p takes its steps in the order of the table', async (type, input, takenBack) => {
  const hooks = type === 'verify' ? [] : (['before', 'fenced', 'afterSwitch', 'after'] as const);
  const accepted: Accepted = { type, quiesce: 'quiesce' in input, hooks };
  const asked = await askedFor(type, input, withHooks());
  expect(asked.filter((step) => !UNTOLD.includes(step))).toEqual([
    ...planOf(accepted),
    ...takenBack,
    ...finishOf(accepted),
  ]);
});

it.concurrent('a dry run names the steps of a restore in the order in which it takes them', async () => {
  const asked = await askedFor('restore', restore, new FakeActivities());
  const { steps } = planRestore({ archive: 1, dump: 1, safetyArchive: 1, safetyDump: 1 }, []);
  expect(steps.map(({ step }) => step)).toEqual(asked.filter((step) => !UNTOLD.includes(step)));
});
