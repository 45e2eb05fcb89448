import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Lab, cliJson, journalsOf, leftovers, startLab } from '../helpers/e2e';
import { type RunningProcess, startCommand, startHoldingWorker } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(180_000);

const SITE = 'gazette.example';
let lab: Lab;
let worker: WorkerProcess | null = null;
let holding: RunningProcess | null = null;

beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  await cliJson(lab, 'sites', 'adopt', SITE);
  holding = await startHoldingWorker(lab);
});
afterAll(async () => {
  await holding?.end('SIGKILL');
  await worker?.stop();
  await lab?.stop();
});

const as = (who: string): Record<string, string> => ({ SUDO_USER: who, USER: who });

/** The task a command says it waits with. */
const taskOf = (command: RunningProcess): string => /^(\S+) waits for its turn/m.exec(command.stderr)?.[1] ?? '';

it('two tasks at once: the second is told by what, by whom, since when; or waits its turn, whoever dies meanwhile', async () => {
  const first = startCommand(lab, ['backup', SITE, '-m', 'first', '--json'], as('anna'));
  await holding?.said('holding');
  const [held] = journalsOf(lab);

  const second = startCommand(lab, ['verify', SITE, '--json'], as('bob'));
  expect(await second.end()).toBe(11);
  const { error } = JSON.parse(second.stdout) as {
    error: { code: string; message: string; hint: string; site: string };
  };
  expect(error).toMatchObject({ code: 'SiteBusy', site: SITE });
  const since = /^gazette\.example is busy: (\S+) by anna since (\S+)$/.exec(error.message);
  expect(since?.[1]).toBe(held?.task);
  expect(new Date(since?.[2] ?? '').getTime()).toBeLessThanOrEqual(Date.now());
  expect(error.hint).toContain('--wait-turn');

  const key = ['--request-key', 'nightly'];
  const waiting = startCommand(lab, ['backup', SITE, '-m', 'second', '--wait-turn', ...key], as('bob'));
  await waiting.said('waits for its turn');
  const last = startCommand(lab, ['verify', SITE, '--wait-turn'], as('carol'));
  await last.said('waits for its turn');
  const again = await cliJson<{ task: string }>(lab, 'backup', SITE, '--wait-turn', '--detach', ...key);
  expect(again.task).toBe(taskOf(waiting));

  // The terminals and the worker die; the first task with it, in mid-step.
  await Promise.all([waiting, last, first].map((command) => command.end('SIGKILL')));
  await holding?.end('SIGKILL');
  holding = null;
  expect(journalsOf(lab).map(({ outcome }) => outcome)).toEqual([null]);

  worker = await startWorkerProcess(lab.environment);
  await until('all three have ended', () => {
    const outcomes = journalsOf(lab).map(({ outcome }) => outcome?.status);
    return outcomes.length === 3 && outcomes.every((status) => status === 'done');
  });
  const { tasks } = await cliJson<{ tasks: { task: string; who: string; started: string; durationMs: number }[] }>(
    lab,
    'tasks',
    SITE,
  );
  expect(tasks.map(({ task, who }) => [task, who])).toEqual([
    [taskOf(last), 'carol'],
    [taskOf(waiting), 'bob'],
    [held?.task, 'anna'],
  ]);
  for (const [index, task] of tasks.slice(0, -1).entries()) {
    const before = tasks[index + 1];
    const ended = new Date(before?.started ?? '').getTime() + (before?.durationMs ?? 0);
    expect(new Date(task.started).getTime()).toBeGreaterThanOrEqual(ended);
  }
  expect(await leftovers(lab)).toMatchObject({ spool: [], open: [], temporary: [], processes: [] });
});

it('the same request key again is the task that was made, with its result, and makes no other', async () => {
  const key = ['--request-key', 'nightly'];
  const first = await cliJson<{ task: string; backup: { description: string } }>(lab, 'backup', SITE, ...key);
  expect(first.backup.description).toBe('second');
  const two = await Promise.all([
    cliJson<{ task: string }>(lab, 'verify', SITE, '--request-key', 'twice'),
    cliJson<{ task: string }>(lab, 'verify', SITE, '--request-key', 'twice'),
  ]);
  expect(two[0].task).toBe(two[1].task);
  expect(journalsOf(lab)).toHaveLength(4);
});
