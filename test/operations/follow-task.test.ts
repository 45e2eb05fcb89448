import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskStatus } from '../../src/client';
import { KedgeError } from '../../src/contract/errors';
import type { StepPause } from '../../src/contract/step-pause';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { Journals } from '../../src/core/tasks/journals';
import { TaskLogs } from '../../src/core/tasks/task-log';
import { Redactor } from '../../src/core/secrets/redaction';
import { type FollowedTask, type TaskEvent, followTask } from '../../src/operations/follow-task';
import { newTask } from '../helpers/new-task';

const TASK = newTask().task;
const PASSWORD = 'zinnober-Tapete-91';

let folder: string;
let parts: {
  journals: Journals;
  logs: TaskLogs;
  redact: <T>(value: T, site?: string | null) => T;
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-follow-'));
  const redactor = new Redactor();
  redactor.register(PASSWORD, 'example.com');
  const redact = <T>(value: T, site: string | null = null): T => redactor.value(value, site);
  const tasks = join(folder, 'tasks');
  parts = {
    journals: new Journals(tasks, join(folder, 'open'), createLocalHost({ name: 'master' }), () => undefined),
    logs: new TaskLogs(tasks, redact),
    redact,
  };
  await parts.journals.begin(newTask());
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Moment = () => Promise<TaskStatus>;

/** A task of which Temporal says one thing after another; then it ends. */
class ScriptedTask implements FollowedTask<string> {
  readonly task = TASK;
  readonly ticket = {
    task: TASK,
    workflowId: 'site/example.com',
    waiting: false,
  };
  /** Set while somebody waits for the result. */
  waiting: AbortSignal | undefined;
  private end: () => void = () => undefined;

  constructor(
    private readonly moments: Moment[],
    private readonly outcome: () => string = () => 'restored',
  ) {}

  status(): Promise<TaskStatus> {
    const next = this.moments.shift() ?? (async () => status([]));
    if (this.moments.length === 0) this.end();
    return next();
  }

  async result(waiting?: AbortSignal): Promise<string> {
    this.waiting = waiting;
    await new Promise<void>((resolve) => (this.end = resolve));
    return this.outcome();
  }
}

const step = (name: string, lastFailure: string | null = null, paused: StepPause | null = null) => ({
  step: name,
  attempt: lastFailure === null ? 1 : 2,
  progress: {},
  lastFailure,
  paused,
});
const pause = (since: string): StepPause => ({ by: 'anna@desk', why: `it has ${PASSWORD}`, since });
const status = (steps: TaskStatus['steps'], attention: string | null = null): TaskStatus => ({
  state: 'running',
  steps,
  attention,
});
const at =
  (...seen: Parameters<typeof status>): Moment =>
  async () =>
    status(...seen);

async function seen(task: ScriptedTask, leave = new AbortController().signal): Promise<TaskEvent<string>[]> {
  const events: TaskEvent<string>[] = [];
  for await (const event of followTask(parts, task, leave)) events.push(event);
  return events;
}
const kinds = (events: readonly TaskEvent<string>[]): string[] => events.map(({ kind }) => kind);

async function logged(message: string): Promise<void> {
  const log = parts.logs.of(TASK, 'deploy', 1);
  log.info(message);
  await log.settled();
}

it('shows what its log says and what runs, and then how it ended', async () => {
  await logged('first');
  const task = new ScriptedTask([
    at([step('deploy')]),
    async () => {
      await logged('last');
      return status([]);
    },
  ]);
  const events = await seen(task);
  expect(kinds(events)).toEqual(['logged', 'running', 'logged', 'ended']);
  expect(events.at(-1)).toEqual({ kind: 'ended', result: 'restored' });
  expect(task.waiting?.aborted).toBe(true);
});

it('a task that fails has said all its log says before that is thrown', async () => {
  const task = new ScriptedTask([at([step('deploy')])], () => {
    throw new KedgeError('DiskFull', 'no room');
  });
  await logged('before it failed');
  const heard: string[] = [];
  const following = (async () => {
    for await (const event of followTask(parts, task, new AbortController().signal)) {
      heard.push(event.kind);
      if (event.kind === 'running') await logged('as it failed');
    }
  })();
  await expect(following).rejects.toMatchObject({ code: 'DiskFull' });
  expect(heard).toEqual(['logged', 'running', 'logged']);
});

it('says once why an attempt failed, without passwords, and hands out nothing else of the journal', async () => {
  const failing = step('importDatabase', `no login with ${PASSWORD}`);
  const events = await seen(new ScriptedTask([at([failing]), at([failing]), at([])]));
  const failures = events.filter(({ kind }) => kind === 'attempt-failed');
  expect(failures).toEqual([
    {
      kind: 'attempt-failed',
      step: {
        ...failing,
        lastFailure: expect.not.stringContaining(PASSWORD) as unknown,
      },
      outlook: { undoing: false, committed: false, maintenance: null },
    },
  ]);
});

it('a step that takes long is not one that cannot finish: the one that fails behind it is named, and why is said before', async () => {
  const events = await seen(
    new ScriptedTask([
      // Attention is asked for by the clock.
      at([step('endMaintenance')], 'endMaintenance'),
      at([step('discardDatabase')], 'discardDatabase'),
      at([step('discardDatabase', 'made to fail')], 'discardDatabase'),
      at([step('never seen')]),
    ]),
  );
  expect(kinds(events)).toEqual(['running', 'running', 'attempt-failed', 'running', 'stuck']);
  expect(events.at(-1)).toEqual({ kind: 'stuck', step: 'discardDatabase', why: 'made to fail', paused: null });
});

it('says once for each pause that a step is paused, by whom and why, and not that it fails', async () => {
  const [first, second] = [pause('2026-11-24T03:15:02.000Z'), pause('2026-11-24T03:20:02.000Z')];
  const paused = (by: StepPause | null): Moment => at([step('importDatabase', 'no answer', by)]);
  const events = await seen(
    new ScriptedTask([paused(first), paused(first), paused(null), paused(second), paused(second), at([])]),
  );
  expect(kinds(events.filter(({ kind }) => kind !== 'running'))).toEqual([
    'paused',
    'attempt-failed',
    'paused',
    'ended',
  ]);
  const said = events.flatMap((event) => (event.kind === 'paused' ? [event.step.paused] : []));
  expect(said).toMatchObject([
    { by: 'anna@desk', since: first.since },
    { by: 'anna@desk', since: second.since },
  ]);
  expect(JSON.stringify(said)).not.toContain(PASSWORD);
});

it('an undo that somebody paused does not go on: it is named at once, with who did it', async () => {
  const by = pause('2026-11-24T03:15:02.000Z');
  const events = await seen(
    new ScriptedTask([
      at([step('discardDatabase', null, by)]),
      at([step('discardDatabase', null, by)], 'discardDatabase'),
      at([step('never seen')]),
    ]),
  );
  expect(events.at(-1)).toEqual({ kind: 'stuck', step: 'discardDatabase', why: null, paused: by });
});

it('a step that neither fails nor ends for long is named too: it hangs', async () => {
  const hanging = new ScriptedTask([
    at([step('endMaintenance')]),
    at([step('endMaintenance')], 'endMaintenance'),
    at([step('never seen')]),
  ]);
  const events: TaskEvent<string>[] = [];
  for await (const event of followTask(parts, hanging, new AbortController().signal, 0)) events.push(event);
  expect(events.at(-1)).toEqual({ kind: 'stuck', step: 'endMaintenance', why: null, paused: null });
});

it('one that cannot finish when the following begins is named at once, with the reason, and without passwords', async () => {
  const stuck = step('liftFence', `no login with ${PASSWORD}`);
  const events = await seen(new ScriptedTask([at([step('probeSite'), stuck], 'liftFence'), at([])]));
  expect(kinds(events)).toEqual(['attempt-failed', 'running', 'stuck']);
  const last = events.at(-1);
  expect(last).toMatchObject({
    kind: 'stuck',
    step: 'liftFence',
    why: expect.stringMatching(/^no login with /) as unknown,
  });
  expect(JSON.stringify(last)).not.toContain(PASSWORD);
});

it('a step that fails is not stuck while nobody is asked for, nor because another one takes long', async () => {
  const events = await seen(
    new ScriptedTask([
      at([step('probeSite', 'no answer')]),
      at([step('endMaintenance'), step('probeSite', 'no answer')], 'endMaintenance'),
      at([]),
    ]),
  );
  expect(kinds(events)).not.toContain('stuck');
  expect(events.at(-1)?.kind).toBe('ended');
});

it('who leaves waits for nothing any more, and the task goes on', async () => {
  const leave = new AbortController();
  const task = new ScriptedTask([
    async () => {
      leave.abort();
      return status([step('deploy')]);
    },
    at([]),
    at([]),
  ]);
  expect(kinds(await seen(task, leave.signal))).toEqual(['running', 'left']);
  expect(task.waiting?.aborted).toBe(true);
});

it('Temporal that goes away ends the following, and nobody waits for the result', async () => {
  const task = new ScriptedTask([
    at([step('deploy')]),
    async () => {
      throw new KedgeError('TemporalUnreachable', 'away');
    },
    at([]),
  ]);
  await expect(seen(task)).rejects.toMatchObject({
    code: 'TemporalUnreachable',
  });
  expect(task.waiting?.aborted).toBe(true);
});
