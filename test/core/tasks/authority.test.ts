import { readDocument } from '../../../src/contract/documents-on-disk';
import { WORKFLOW_TYPES, type TaskType } from '../../../src/contract/names';
import { STEPS, type StepName, UNDOS, planOf } from '../../../src/contract/steps';
import {
  type Caller,
  assertClosable,
  assertCommit,
  assertFinishing,
  assertFinishingTask,
  assertForward,
  assertNextStep,
  assertOwn,
  pendingUndos,
} from '../../../src/core/tasks/authority';
import { JOURNAL, type Journal, newJournal } from '../../../src/core/tasks/journal';

const SITE = 'example.com';
const OWN: Caller = { workflowId: `site/${SITE}`, runId: 'run-1' };

/** The order as the runbooks have it, written down once more: the table is held to it. */
const ORDER: Record<string, readonly StepName[]> = {
  backup: ['preflight', 'runHook before', 'dumpDatabase', 'syncRemote', 'tarball', 'publishBackup'],
  'quiesced backup': [
    'preflight',
    'runHook before',
    'proveDefinitions',
    'enterMaintenance',
    'fenceWrites',
    'runHook fenced',
    'dumpDatabase',
    'syncRemote',
    'tarball',
    'publishBackup',
  ],
  restore: [
    'preflight',
    'runHook before',
    'enterMaintenance',
    'fenceWrites',
    'runHook fenced',
    'dumpDatabase',
    'syncRemote',
    'tarball',
    'publishBackup',
    'deploy',
    'createDatabase',
    'importDatabase',
    'createDbUser',
    'verify',
    'switchSite',
    'reloadWebServer',
    'runHook afterSwitch',
    'probeSite',
    'commitSwitch',
  ],
  deploy: [
    'preflight',
    'runHook before',
    'deploy',
    'createDatabase',
    'importDatabase',
    'createDbUser',
    'verify',
    'switchSite',
    'reloadWebServer',
    'runHook afterSwitch',
    'probeSite',
    'commitSwitch',
  ],
  verify: ['preflight', 'verify', 'reloadWebServer', 'probeSite'],
};
const TASKS = Object.keys(ORDER);
const EVERY_STEP = Object.keys(STEPS) as StepName[];
const HOOKS = ['before', 'fenced', 'afterSwitch', 'after'] as const;

/** A journal of a task of this kind on a site with every hook, in which these steps have begun. */
function journal(task: string, steps: Record<string, boolean> = {}, changes: Partial<Journal> = {}): Journal {
  const type = task.replace('quiesced ', '') as TaskType;
  return {
    ...newJournal({
      task: `${SITE}-20261124.031502-${type}`,
      site: SITE,
      type,
      who: 'anna',
      description: null,
      requestKey: null,
      token: 'abcdefghij',
      ...OWN,
      epoch: 0,
      started: '2026-11-24T03:15:02.000Z',
      accepted: { quiesce: task.startsWith('quiesced'), noFence: false, compression: 'zstd' },
    }),
    target: { hooks: Object.fromEntries(HOOKS.map((name) => [name, ['true']])) } as unknown as Journal['target'],
    steps: Object.fromEntries(Object.entries(steps).map(([name, done]) => [name, { attempt: 'a', done }])),
    ...changes,
  };
}

const done = (names: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, true]));
const isTogether = (one: string, other: string): boolean =>
  [one, other].every((name) => ['dumpDatabase', 'syncRemote'].includes(name));

function codeOf(act: () => void): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('the table of steps', () => {
  it.each(TASKS)('has the steps of a %s in the order of its runbook', (task) => {
    const { type, accepted } = journal(task);
    expect(planOf({ type, quiesce: accepted?.quiesce ?? false, hooks: HOOKS })).toEqual(ORDER[task]);
  });

  it('leaves out the hooks a site does not have', () => {
    for (const type of WORKFLOW_TYPES)
      expect(planOf({ type, quiesce: true, hooks: [] }).filter((name) => name.startsWith('runHook'))).toEqual([]);
  });
});

describe.each(TASKS)('every step in every state of a %s', (task) => {
  const order = ORDER[task] ?? [];

  it('is next exactly when all before it are done and none behind it has begun', () => {
    const wrong: string[] = [];
    for (let count = 0; count <= order.length; count += 1) {
      for (const newest of [null, 'begun', 'done'] as const) {
        const begun = order.slice(0, count);
        const last = begun.at(-1);
        if ((newest === null) !== (last === undefined)) continue;
        const state = journal(task, { ...done(begun), ...(last === undefined ? {} : { [last]: newest === 'done' }) });
        for (const step of EVERY_STEP) {
          const place = order.indexOf(step);
          const mayBegin =
            place !== -1 &&
            order.every((other, index) => {
              if (other === step || isTogether(other, step)) return true;
              const entry = state.steps?.[other];
              if (index > place) return entry === undefined;
              return entry?.done === true || (entry === undefined && other === 'proveDefinitions');
            });
          const code = codeOf(() => assertNextStep(state, step));
          if (code !== (mayBegin ? null : 'StepRefused')) wrong.push(`${step} after ${last} ${newest}: ${code}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('no step is left out: without any one of them the next is refused', () => {
    for (const [place, step] of order.entries()) {
      if (step === 'proveDefinitions') continue;
      const next = order.slice(place + 1).find((other) => !isTogether(step, other));
      if (next === undefined) continue;
      const before = order.slice(0, order.indexOf(next)).filter((other) => other !== step);
      expect([step, codeOf(() => assertNextStep(journal(task, done(before)), next))]).toEqual([step, 'StepRefused']);
    }
  });

  it('nothing goes forward in another run, once it is undone, committed or closed', () => {
    const all = done(order);
    const closed = {
      outcome: { status: 'done' as const, ended: '2026-11-24T03:20:00.000Z', code: null, message: null, warnings: [] },
    };
    const forward = (state: Journal, caller = OWN): string | null =>
      codeOf(() => {
        assertOwn(state, caller);
        assertForward(state);
      });
    expect(forward(journal(task, all))).toBeNull();
    expect(forward(journal(task, all), { ...OWN, runId: 'run-2' })).toBe('TaskWasReset');
    expect(forward(journal(task, all), { ...OWN, workflowId: 'evil' })).toBe('WorkflowIdRefused');
    expect(forward(journal(task, all), { ...OWN, workflowId: 'site/other.example' })).toBe('WorkflowIdRefused');
    expect(forward(journal(task, all, closed))).toBe('TaskWasReset');
    expect(forward(journal(task, all, { undoing: true }))).toBe('TaskSuperseded');
    expect(forward(journal(task, all, { committed: true }))).toBe('StepRefused');
  });

  it('commits only with its whole plan done, in its own run, not undone', () => {
    const commits = order.includes('commitSwitch');
    const plan = order.filter((step) => step !== 'commitSwitch');
    const code = (steps: Record<string, boolean>, changes = {}, caller = OWN): string | null =>
      codeOf(() => assertCommit(journal(task, steps, changes), caller));
    expect(code(done(plan))).toBe(commits ? null : 'StepRefused');
    for (const step of plan) {
      expect([step, code({ ...done(plan), [step]: false })]).toEqual([step, 'StepRefused']);
      expect([step, code(done(plan.filter((other) => other !== step)))]).toEqual([step, 'StepRefused']);
    }
    expect(code(done(plan), { undoing: true })).toBe('TaskSuperseded');
    expect(code(done(plan), {}, { ...OWN, runId: 'run-2' })).toBe('TaskWasReset');
    expect(code({}, { committed: true }, { ...OWN, runId: 'run-2' })).toBeNull();
  });

  it('finishes only behind the commit, or the publishing of a backup', () => {
    const state = journal(task, done(order));
    expect(codeOf(() => assertFinishing(state, 'discardPrevious'))).toBe('StepRefused');
    expect(codeOf(() => assertFinishingTask(state, 'discardSpool'))).toBe('StepRefused');
    expect(codeOf(() => assertFinishing(journal(task, {}, { committed: true }), 'discardPrevious'))).toBeNull();
  });

  it('is closed only when nothing of it is left to do or to take back', () => {
    const ended = '2026-11-24T03:20:00.000Z';
    const maintenance = { foundOn: false, deadline: ended, limit: null, seen: null, ended: null };
    const fence = {
      account: { user: 'u', hosts: ['localhost'] },
      database: 'd',
      lockedBefore: [],
      eventPrivilegeAt: [],
      lowered: false,
    };
    const close = (status: 'done' | 'failed', state: Journal): string | null =>
      codeOf(() => assertClosable(state, status));
    for (let count = 0; count <= order.length; count += 1) {
      const steps = done(order.slice(0, count));
      const state = journal(task, steps);
      const undos = UNDOS.filter((undo) =>
        Object.keys(steps).some((step) => STEPS[step as StepName].undoneBy === undo),
      ).reverse();
      expect([count, pendingUndos(state)]).toEqual([count, undos]);
      expect([count, close('failed', state)]).toEqual([count, undos.length === 0 ? null : 'StepRefused']);
      for (const lacking of undos) {
        const undone = undos.filter((undo) => undo !== lacking);
        expect([count, lacking, close('failed', { ...state, undone })]).toEqual([count, lacking, 'StepRefused']);
      }
      const undone = { ...state, undoing: true, undone: undos };
      expect(close('failed', undone)).toBeNull();
      expect(close('failed', { ...undone, maintenance })).toBe('StepRefused');
      expect(close('failed', { ...undone, fence })).toBe('StepRefused');
      expect(
        close('failed', { ...undone, maintenance: { ...maintenance, ended }, fence: { ...fence, lowered: true } }),
      ).toBeNull();
      const isBackup = task.endsWith('backup');
      const published = isBackup ? { backup: { published: true } as Journal['backup'] } : {};
      const complete = count === order.length && (isBackup || task === 'verify');
      expect([count, close('done', { ...state, ...published })]).toEqual([count, complete ? null : 'StepRefused']);
      if (complete) expect(close('done', { ...state, ...published, maintenance })).toBe('StepRefused');
    }
    expect(close('done', journal(task, {}, { committed: true, maintenance }))).toBe('StepRefused');
    expect(close('done', journal(task, {}, { committed: true, fence }))).toBeNull();
  });
});

it('a backup whose workflow is from before definitions were proved first goes on without; one that has begun to does not', () => {
  const task = 'quiesced backup';
  const order = ORDER[task] ?? [];
  const without = done(order.filter((step) => step !== 'proveDefinitions'));
  expect(
    codeOf(() => assertNextStep(journal(task, done(['preflight', 'runHook before'])), 'enterMaintenance')),
  ).toBeNull();
  const published = { backup: { published: true } as Journal['backup'] };
  expect(codeOf(() => assertClosable(journal(task, without, published), 'done'))).toBeNull();
  for (const [begun, next] of [
    [{ ...done(['preflight', 'runHook before']), proveDefinitions: false }, 'enterMaintenance'],
    [without, 'proveDefinitions'],
  ] as const)
    expect([next, codeOf(() => assertNextStep(journal(task, begun), next))]).toEqual([next, 'StepRefused']);
});

describe('a journal of a Kedge that did not note what is done', () => {
  it('is read, goes on, and can be undone and closed', () => {
    const {
      accepted: _accepted,
      steps: _steps,
      undone: _undone,
      ...old
    } = newJournal({
      ...journal('restore'),
      accepted: null,
    });
    const read = readDocument(JOURNAL, { ...old, version: 1, step: 'importDatabase' }, 'journal');
    expect(read).toMatchObject({ accepted: null, steps: null, undone: null });
    expect(codeOf(() => assertNextStep(read, 'createDbUser'))).toBeNull();
    expect(codeOf(() => assertCommit(read, OWN))).toBeNull();
    expect(codeOf(() => assertClosable(read, 'failed'))).toBeNull();
  });
});
