import { differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { STEPS, type StepName, UNDOS, planOf } from '../../src/contract/steps';
import { TASK_INPUT_SCHEMAS } from '../../src/contract/tasks';
import type { TaskType } from '../../src/contract/names';
import { ActivityLab, type Run } from '../helpers/activity-lab';
import { CLOSED, DONE, type DrivenTask, DrivenTasks, FINISHING } from '../helpers/driven-tasks';
import { ACTIVITY_NAMES } from '../helpers/fake-activities';
import { leftovers } from '../helpers/e2e';
import { until } from '../helpers/until';

/*
 * Every activity in every state of a journal, over a real site. Whoever reaches Temporal calls what he likes when he
 * likes: what is out of turn is refused, and nothing has changed.
 */

jest.setTimeout(240_000);

const FORWARD = Object.keys(STEPS) as StepName[];
const UNDOING: readonly string[] = UNDOS;
/** Activities that belong to no task. */
const READING = [
  'maintenanceTimeLeft',
  'findAbandonedTasks',
  'readJournal',
  'listOpenTasks',
  'acceptTurn',
  'withdrawRequest',
  'findTaskOfRequest',
  'findNewestTask',
  'findOutcome',
  'describeBackup',
  'whoHoldsSite',
  'listBackups',
  'readTaskLog',
  'deliverNotice',
  'planBackups',
  'pruneSite',
];

let ring: ActivityLab;
let backup: string;
let tasks: DrivenTasks;

const newTask: DrivenTasks['begin'] = (...asked) => tasks.begin(...asked);
const callOf: DrivenTasks['callOf'] = (...asked) => tasks.callOf(...asked);
const take: DrivenTasks['take'] = (...asked) => tasks.take(...asked);

const status = async (): Promise<number> => (await get(ring.lab.nginx.port, ring.site.uri, '/')).status;
const look = async () => fingerprint(ring.site, ring.lab.nginx.port, ring.lab.mariadb);

beforeAll(async () => {
  ring = await ActivityLab.start();
  tasks = new DrivenTasks(ring);
  const first = newTask('backup');
  await take(first, null);
  const { value } = (await ring.call(first.run, ...callOf(first, 'publishBackup'))) as { value: { id: string } };
  backup = value.id;
  for (const name of ['discardSpool', 'runLastHook']) await ring.call(first.run, ...callOf(first, name));
  await ring.call(first.run, 'closeTask', { task: first.task }, DONE);
  // From here on the site lives on a database that Kedge made, and may drop.
  const restore = newTask('restore', { backup });
  await take(restore, null);
  await tasks.finish(restore);
});
afterAll(async () => {
  await ring?.stop();
});

/** What each activity of a task answers to somebody whose call is not the task's own, in whatever state that is. */
async function strangers(given: DrivenTask): Promise<string[]> {
  const wrong: string[] = [];
  const expectCode = async (run: Run, name: string, codes: readonly unknown[]): Promise<void> => {
    const answer = await ring.outcome(run, ...callOf(given, name));
    if (!codes.some((code) => JSON.stringify(code) === JSON.stringify(answer)))
      wrong.push(`${name} by ${run.workflowId} ${run.runId}: ${JSON.stringify(answer)}`);
  };
  const { run } = given;
  for (const name of ['awaitLease', ...FORWARD, ...FINISHING, ...UNDOING, 'closeTask']) {
    await expectCode({ ...run, workflowId: 'evil' }, name, ['WorkflowIdRefused']);
    await expectCode({ ...run, workflowId: 'site/other.example' }, name, ['WorkflowIdRefused']);
    const isForward = name === 'awaitLease' || (name in STEPS && name !== 'commitSwitch');
    await expectCode({ ...run, runId: 'another' }, name, isForward ? ['TaskWasReset'] : ['StepRefused']);
  }
  return wrong;
}

it('knows every activity there is', () => {
  const known: string[] = [
    ...FORWARD.map((name) => name.split(' ')[0] ?? ''),
    ...FINISHING,
    ...UNDOING,
    ...READING,
    'closeTask',
    'runHook',
    'awaitLease',
  ];
  expect(new Set(known)).toEqual(new Set(ACTIVITY_NAMES));
});

it('a restore: in each state one step is next, and whatever else is called changes nothing', async () => {
  const given = newTask('restore', { backup });
  const order = planOf({ type: 'restore', quiesce: false, hooks: [] });
  const wrong: string[] = [];

  await take(given, 'probeSite', async (done) => {
    const last = done.at(-1) as StepName;
    const place = order.indexOf(last);
    // The newest may be taken again, and the next one; of two that run side by side the other too.
    const allowed = new Set([last, order[place + 1]]);
    if (allowed.has('dumpDatabase') || allowed.has('syncRemote')) allowed.add('dumpDatabase').add('syncRemote');
    const before = await ring.snapshot();
    for (const step of FORWARD) {
      if (allowed.has(step)) continue;
      const code = await ring.outcome(given.run, ...callOf(given, step));
      if (code !== 'StepRefused') wrong.push(`${step} after ${last}: ${JSON.stringify(code)}`);
    }
    for (const name of FINISHING) {
      const code = await ring.outcome(given.run, ...callOf(given, name));
      if (code !== 'StepRefused') wrong.push(`${name} after ${last}: ${JSON.stringify(code)}`);
    }
    for (const closing of last === 'preflight' ? [DONE] : [DONE, CLOSED, { ...CLOSED, status: 'recovered' }]) {
      const code = await ring.outcome(given.run, 'closeTask', { task: given.task }, closing);
      if (code !== 'StepRefused') wrong.push(`closeTask ${closing.status} after ${last}: ${JSON.stringify(code)}`);
    }
    // A second task in the same run.
    for (const type of ['backup', 'restore', 'verify'] as const) {
      const second = { ...given, type, task: ring.newTask(type), input: { ...given.input } };
      if (type !== 'restore') Object.assign(second, { input: { site: ring.site.uri } });
      const code = await ring.outcome(given.run, ...callOf(second, 'preflight'));
      if (code !== 'SiteBusy') wrong.push(`preflight of a ${type} after ${last}: ${JSON.stringify(code)}`);
    }
    wrong.push(...(await strangers(given)).map((each) => `after ${last}: ${each}`));
    expect([last, await ring.snapshot()]).toEqual([last, before]);
  });
  expect(wrong).toEqual([]);

  // Taken over by hand: nothing goes forward any more.
  const epoch = await ring.parts.epochs.current(ring.site.uri);
  await ring.parts.epochs.raise(ring.site.uri, 'anna', 'for the test');
  const shut = await ring.snapshot();
  for (const step of ['probeSite', 'commitSwitch'])
    expect(await ring.outcome(given.run, ...callOf(given, step))).toBe('TaskSuperseded');
  expect(await ring.snapshot()).toEqual(shut);
  expect(epoch).toBe(0);

  for (const name of [...UNDOING].reverse()) await ring.call(given.run, ...callOf(given, name));
  await ring.call(given.run, 'closeTask', { task: given.task }, CLOSED);
});

it('a committed task goes forward only, a closed one not at all: the database it brought stays', async () => {
  const given = newTask('restore', { backup });
  await take(given, null);
  const nothing = { value: { value: null, warnings: [] } };

  const committed = await ring.snapshot();
  for (const step of FORWARD)
    if (step !== 'commitSwitch')
      expect([step, await ring.outcome(given.run, ...callOf(given, step))]).toEqual([step, 'StepRefused']);
  for (const undo of UNDOING)
    expect([undo, await ring.outcome(given.run, ...callOf(given, undo))]).toEqual([undo, nothing]);
  expect(await ring.outcome(given.run, ...callOf(given, 'commitSwitch'))).toEqual(nothing);
  for (const closing of [CLOSED, DONE])
    expect(await ring.outcome(given.run, 'closeTask', { task: given.task }, closing)).toBe('StepRefused');
  expect(await strangers(given)).toEqual([]);
  expect(await ring.snapshot()).toEqual(committed);

  await tasks.finish(given);
  const closed = await ring.snapshot();
  for (const other of [given.run, { ...given.run, runId: 'later' }]) {
    for (const step of FORWARD) {
      const answer = await ring.outcome(other, ...callOf(given, step));
      const isStranger = other !== given.run && step === 'commitSwitch';
      expect([step, answer]).toEqual([
        step,
        isStranger ? 'StepRefused' : step === 'commitSwitch' ? nothing : 'TaskWasReset',
      ]);
    }
  }
  ring.running.clear();
  for (const name of [...FINISHING, ...UNDOING]) {
    const value = name === 'endMaintenance' ? 0 : null;
    const answer = await ring.outcome({ ...given.run, runId: 'later' }, ...callOf(given, name));
    expect([name, answer]).toEqual([name, { value: { value, warnings: [] } }]);
  }
  expect(await ring.outcome(given.run, 'closeTask', { task: given.task }, CLOSED)).toEqual({ value: null });
  expect(await ring.snapshot()).toEqual(closed);
  expect(await status()).toBe(200);
});

it.each(['backup', 'verify'] as const)('a %s that preflight accepted takes no step of a restore', async (type) => {
  const given = newTask(type);
  await take(given, 'preflight');
  const before = await ring.snapshot();
  const plan: readonly string[] = planOf({ type, quiesce: false, hooks: [] });
  for (const step of FORWARD.filter((name) => !plan.includes(name)))
    expect([step, await ring.outcome(given.run, ...callOf(given, step))]).toEqual([step, 'StepRefused']);
  expect(await ring.snapshot()).toEqual(before);
  await ring.call(given.run, 'closeTask', { task: given.task }, CLOSED);
});

describe('undo in any order, by whoever answers for the workflow', () => {
  /** Orders that differ, the same in every run of the test. */
  const shuffled = (seed: number): string[] =>
    UNDOING.map((name, index) => [((index + 1) * 7919 * seed) % 101, name] as const)
      .sort(([a], [b]) => a - b)
      .map(([, name]) => name);

  it.each([
    ['fenceWrites', 1],
    ['importDatabase', 2],
    ['switchSite', 3],
    ['probeSite', 5],
  ] as const)('after %s: what is too early is refused, and in the end the site is as it was', async (last, seed) => {
    const before = await look();
    const { spool: _spool, ...left } = await leftovers(ring.lab);
    const given = newTask('restore', { backup });
    await take(given, last);
    const later = { ...given.run, runId: `later-${seed}` };
    // Somebody closes it first, in every way there is.
    for (const to of ['done', 'failed', 'cancelled', 'recovered'])
      expect(await ring.outcome(given.run, 'closeTask', { task: given.task }, { ...CLOSED, status: to })).toBe(
        'StepRefused',
      );
    ring.running.clear();
    let waiting = shuffled(seed);
    for (let round = 0; waiting.length > 0 && round < 5; round += 1) {
      const refused: string[] = [];
      for (const name of waiting) {
        const answer = await ring.outcome(later, ...callOf(given, name));
        if (answer === 'StepRefused') refused.push(name);
        else expect([name, answer]).toEqual([name, { value: { value: null, warnings: [] } }]);
        if (refused.length > 0)
          expect(await ring.outcome(later, 'closeTask', { task: given.task }, CLOSED)).toBe('StepRefused');
      }
      waiting = refused;
    }
    expect(waiting).toEqual([]);
    expect(await ring.outcome(given.run, ...callOf(given, last))).toBe('TaskSuperseded');
    expect(await ring.outcome(later, 'closeTask', { task: given.task }, DONE)).toBe('StepRefused');
    await ring.call(later, 'closeTask', { task: given.task }, { ...CLOSED, status: 'recovered' });
    expect(await status()).toBe(200);
    expect(differences(before, await look())).toEqual([]);
    const { spool: _after, ...leftNow } = await leftovers(ring.lab);
    expect(leftNow).toEqual(left);
  });

  it('an import that begins again: the databases of every attempt before it are gone, also where one died before it dropped any', async () => {
    const before = await look();
    const given = newTask('restore', { backup });
    await take(given, 'createDatabase');
    const { created } = await ring.parts.journals.get(given.task);
    if (!created) throw new Error('there is no database');
    const [first = ''] = created.databases;
    const databases = ['a', 'b', 'c'].map((generation) => first.replace(/a$/, generation));
    await ring.parts.journals.recordUndo(given.task, { created: { ...created, databases, importBegan: true } });
    for (const database of databases) await ring.lab.mariadb.query(`CREATE DATABASE IF NOT EXISTS ${database}`);
    await ring.call(given.run, ...callOf(given, 'importDatabase'));
    const made = (await leftovers(ring.lab))['databases']?.filter((name) => name.startsWith(first.slice(0, -1)));
    expect(made).toEqual([first.replace(/a$/, 'd')]);
    for (const name of [...UNDOING].reverse()) await ring.call(given.run, ...callOf(given, name));
    await ring.call(given.run, 'closeTask', { task: given.task }, CLOSED);
    expect(differences(before, await look())).toEqual([]);
  });

  it('in the middle of a step: the step is ended, and goes no further', async () => {
    const before = await look();
    const given = newTask('restore', { backup });
    await take(given, 'createDatabase');
    const importing = ring.outcome(given.run, ...callOf(given, 'importDatabase'));
    const begun = async (): Promise<boolean> =>
      (await ring.parts.journals.get(given.task)).steps?.['importDatabase'] !== undefined;
    await until('the import has begun', begun);
    // Another step, and the commit, beside it.
    expect(await ring.outcome(given.run, ...callOf(given, 'createDbUser'))).toBe('StepRefused');
    expect(await ring.outcome(given.run, ...callOf(given, 'commitSwitch'))).toBe('StepRefused');
    await ring.call(given.run, ...callOf(given, 'discardStaged'));
    expect(await importing).toBe('TaskSuperseded');
    for (const name of [...UNDOING].reverse()) await ring.call(given.run, ...callOf(given, name));
    await ring.call(given.run, 'closeTask', { task: given.task }, CLOSED);
    expect(differences(before, await look())).toEqual([]);
  });
});

describe('odd arguments', () => {
  const ODD: readonly unknown[] = [
    undefined,
    null,
    0,
    true,
    '',
    'x'.repeat(100_000),
    [],
    [null],
    {},
    { task: null },
    { task: '../../etc/passwd' },
    { task: 'a'.repeat(1000) },
    { task: ['a'] },
    { site: '../x', requestKey: {}, task: 7, offset: -1 },
    { site: 'gazette.example', task: 'gazette.example-20261124.000001-backup', offset: 'NaN', extra: true },
  ];

  it('are refused by every activity, for good, and change nothing', async () => {
    const before = await ring.snapshot();
    const run = { workflowId: `site/${ring.site.uri}`, runId: 'odd' };
    for (const name of ACTIVITY_NAMES) {
      for (const odd of ODD) {
        const answer = await ring.outcome(run, name, odd, odd, odd);
        const isHarmless = typeof answer === 'object' || ['InputInvalid', 'TaskUnknown'].includes(answer as string);
        expect([name, odd, isHarmless ? null : answer]).toEqual([name, odd, null]);
      }
    }
    expect(await ring.snapshot()).toEqual(before);
  });

  it('names of hooks and ids of tasks are of those there are', async () => {
    const given = newTask('backup');
    await take(given, 'preflight');
    for (const hook of ['after', 'constructor', '', null, ['before']])
      expect(await ring.outcome(given.run, 'runHook', { task: given.task }, hook)).toBe('InputInvalid');
    // The site has no such hook.
    expect(await ring.outcome(given.run, 'runHook', { task: given.task }, 'before')).toBe('StepRefused');
    await ring.call(given.run, 'closeTask', { task: given.task }, CLOSED);
    for (const type of Object.keys(TASK_INPUT_SCHEMAS) as TaskType[])
      for (const task of [
        'x',
        `other.example-20261124.000001-${type}`,
        `${ring.site.uri}-20261124.000001-nothing`,
        '../x',
      ])
        expect([
          task,
          await ring.outcome(given.run, 'preflight', {
            type,
            task,
            input: { site: ring.site.uri, backup, archive: '/a' },
          }),
        ]).toEqual([task, 'InputInvalid']);
  });
});
