import { TaskView } from '../../../src/cli/render/task-view';
import type { RunningStep } from '../../../src/client';
import { UNDOS, isUndoName, sentenceOf } from '../../../src/contract/steps';
import { STEP_SUMMARIES, OTHER_SUMMARIES } from '../../../src/contract/steps';

const TASK = 'example.com-20261124.031502-restore';

let said: string[];
let ran: string[];
let nowMs: number;
let view: TaskView;
beforeEach(() => {
  nowMs = 0;
  view = of(TASK);
});

function of(task: string): TaskView {
  said = [];
  ran = [];
  const say =
    (mark: string) =>
    (line: string): void =>
      void said.push(`${mark}${line}`.replace(/ {2,}(?=\d)/g, ' '));
  return new TaskView(
    {
      note: say(''),
      done: say('✓ '),
      failed: say('✗ '),
      detail: () => undefined,
      running: (line) => void ran.push(line),
    },
    { task, workflowId: 'site/example.com' },
    () => nowMs,
  );
}

const log = (step: string, change: object): void =>
  view.show({ kind: 'logged', line: { time: '', level: 'info', step, message: '', ...change } });
const began = (step: string): void => log(step, { event: 'began' });
const done = (step: string): void => log(step, { event: 'done', durationMs: 100 });
const fails = (step: string, message: string): void => log(step, { level: 'error', message });
const running = (step: string, change: Partial<RunningStep> = {}): RunningStep => ({
  ...{ step, attempt: 1, progress: {}, lastFailure: null, paused: null },
  ...change,
});

it('says once what a task failed with: by the error at its end; undo stands under a heading of its own', () => {
  done('enterMaintenance');
  began('importDatabase');
  fails('importDatabase', 'no room on the disk');
  began('discardDatabase');
  done('discardDatabase');
  began('leaveMaintenance');
  done('leaveMaintenance');
  view.end(new Error('no room on the disk'));
  expect(said.map((line) => line.trimEnd())).toEqual([
    expect.stringMatching(/^✓ Put up the maintenance page +0\.1 s$/),
    '✗ Import the dump',
    'Undo:',
    expect.stringMatching(/^✓ {3}Drop the new database and account +0\.1 s$/),
    expect.stringMatching(/^✓ {3}Put maintenance back as it was +0\.1 s$/),
  ]);
});

it('a task without an undo names the step that failed as well', () => {
  fails('preflight', 'no such backup');
  view.end(new Error('no such backup'));
  expect(said).toEqual(['✗ Check everything that can be known before']);
});

it('steps that the error does not speak of say why they failed', () => {
  fails('dumpDatabase', 'the table is gone');
  fails('syncRemote', 'the server is gone');
  began('discardUnpublished');
  view.end(new Error('the table is gone'));
  expect(said).toEqual([
    '✗ Dump the database',
    '✗ Bring the files to the master',
    'Undo:',
    '  "Bring the files to the master" failed: the server is gone.',
  ]);
});

it('a step that was cancelled is called so, and nothing more is said of it', () => {
  fails('tarball', 'cancelled');
  began('leaveMaintenance');
  view.end(new Error('the task on example.com was cancelled'));
  expect(said).toEqual([expect.stringMatching(/^✗ Pack files and dump +cancelled$/), 'Undo:']);
});

it('a long message that the error shortens is the same; one that only begins so is not', () => {
  const long = `the server refuses ${'x'.repeat(300)}`;
  fails('importDatabase', long);
  view.end(new Error(`${long.slice(0, 250)}…`));
  expect(said).toEqual(['✗ Import the dump']);
  view = of(TASK);
  fails('importDatabase', 'the server refuses it');
  view.end(new Error('the server refuses'));
  expect(said.at(-1)).toContain('failed: the server refuses it');
});

it('why a step is tried again is said once: by what it waits for, or by its next attempt where nobody told', () => {
  fails('probeSite', 'no answer');
  view.show({ kind: 'attempt-failed', step: running('probeSite', { lastFailure: 'no answer' }), outlook: undefined });
  began('probeSite');
  expect(said).toEqual([expect.stringContaining('"Ask for a page" failed: no answer. It is tried again')]);
  view = of(TASK);
  fails('probeSite', 'no answer');
  began('probeSite');
  done('probeSite');
  view.end();
  expect(said).toEqual([expect.stringMatching(/^✗ Ask for a page +no answer$/), expect.stringContaining('✓ Ask for')]);
});

it('what a backup takes back once it is published is nobody’s failure', () => {
  view = of('example.com-20261124.031502-backup_2');
  done('publishBackup');
  began('leaveMaintenance');
  done('leaveMaintenance');
  view.end();
  expect(said).toEqual([
    expect.stringContaining('Publish'.toLowerCase()),
    expect.stringMatching(/^✓ Put maintenance back/),
  ]);
});

it('what runs is shown with bytes, percent, time left and attempt, as far as they are known', () => {
  const show = (...steps: RunningStep[]): string | undefined => {
    view.show({ kind: 'running', steps });
    return ran.at(-1);
  };
  expect(show(running('switchSite'))).toBe('Switch to the restored folder');
  expect(show(running('dumpDatabase', { progress: { bytes: 2e6 } }), running('syncRemote'))).toBe(
    'Dump the database  2.0 MB · Bring the files to the master',
  );
  show(running('importDatabase', { progress: { bytes: 0, totalBytes: 10e6 } }));
  nowMs = 10_000;
  expect(show(running('importDatabase', { progress: { bytes: 2e6, totalBytes: 10e6 } }))).toBe(
    'Import the dump  2.0 MB of 10.0 MB (20 %), 40 s left',
  );
  expect(show(running('importDatabase', { attempt: 2, progress: { bytes: 0, totalBytes: 0 } }))).toBe(
    'Import the dump  0 B of 0 B  (attempt 2)',
  );
});

it('every activity has a sentence, and every undo is known for one', () => {
  for (const name of Object.keys({ ...STEP_SUMMARIES, ...OTHER_SUMMARIES })) expect(sentenceOf(name)).not.toBe(name);
  for (const undo of UNDOS)
    expect([isUndoName(undo), sentenceOf(undo)]).toEqual([true, expect.stringMatching(/^Undo: /)]);
  expect(sentenceOf('runHook fenced')).toBe('Run the hook fenced of the site');
  expect(sentenceOf('toString')).toBe('toString');
  expect(isUndoName('toString')).toBe(false);
});
