import { Context } from '@temporalio/activity';
import { z } from 'zod';
import type { ErrorCode } from '../contract/error-codes';
import { KedgeError, isKedgeError } from '../contract/errors';
import type { StepName } from '../contract/steps';
import { MAXIMUM_TEXT_BYTES, shortened } from '../contract/payload-bounds';
import { pausedText } from '../contract/step-pause';
import type { Progress, RunState } from '../contract/tasks';
import type { Operation } from '../core/operation';
import { type SiteAtWork, endProcessesOf } from '../core/sites/site-at-work';
import { type Caller, assertForward, assertHoldsSite, assertOwn, stepNamed } from '../core/tasks/authority';
import { type Unended, endWhereReached } from '../core/recovery/end-where-reached';
import { type TaskContext, type LockedTask, mayBeUnlocked, underLock, unlockForGood } from '../core/recovery/give-back';
import { type Journal, markOf } from '../core/tasks/journal';
import { mayBeUndone } from '../core/tasks/journals';
import { leaseKindOf, serversOf } from '../core/tasks/leases';
import type { LockHold } from '../core/tasks/site-locks';
import { taskLives } from '../core/tasks/task-life';
import { monotonicMs } from '../core/clock';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { assertInTime, inTime } from './time-limit';
import { whyStopped } from './why-stopped';

const taskRefSchema = z.strictObject({ task: z.string().max(300) });
/** What every step of a task is given. Everything else is in the task's journal. */
export type TaskRef = z.infer<typeof taskRefSchema>;

/** @throws KedgeError InputInvalid */
export function decodeTaskRef(ref: unknown): TaskRef {
  return decodeInput(taskRefSchema, ref);
}

/** What every step returns: its value, and what it warned about, the first of it. */
export interface Reported<T> {
  value: T;
  warnings: string[];
  /** How many more warnings are in the log alone; none when it is left out. */
  moreWarnings?: number;
}

type Change = Partial<Journal> | ((journal: Journal) => Partial<Journal>);

/** What the body of a forward step works with. */
export interface Step extends TaskContext {
  /** Stands in the path of whatever this attempt makes, so that one before it, which wakes late, finds nothing of it. */
  readonly attempt: string;
  /** Writes to the journal, unless a later attempt, another run or undo has taken over. */
  readonly record: (change: Change) => Promise<Journal>;
  /**
   * Does what visitors notice under the site's lock, when the task may still go forward: nobody takes the site over
   * between the look and the act, and what was not done when somebody does is never done. Not within another of the kind.
   * @throws KedgeError TaskWasReset, TaskSuperseded
   */
  readonly whileMine: <T>(work: (hold: LockHold) => Promise<T>) => Promise<T>;
}

/** What the body of an undo, or of a step behind the commit point, works with. */
export interface UndoStep extends TaskContext {
  readonly record: (change: Change) => Promise<Journal>;
  /**
   * Does what visitors notice under the site's lock, while the task is open, by its journal as it is then. Not within another of
   * the kind. @throws KedgeError TaskSuperseded
   */
  readonly underLock: <T>(work: (now: LockedTask) => Promise<T>) => Promise<T>;
}

/**
 * Runs a forward step of a task, under its name in the table of steps: the activity's, unless another is given. Refuses when
 * it is not the next one by the journal, when the task was reset, taken over, is being undone or is out of its time in
 * maintenance; ends what an earlier attempt of the step left running; heartbeats; logs.
 */
export async function forwardStep<T>(
  deps: ActivityDependencies,
  ref: TaskRef,
  body: (step: Step) => Promise<T>,
  givenName?: StepName,
): Promise<Reported<T>> {
  const { info, cancellationSignal: signal } = Context.current();
  const { task } = decodeTaskRef(ref);
  const caller = callerOf();
  const known = await deps.journals.get(task);
  const activity = info.activityType;
  const name = givenName ?? stepNamed(known, activity);
  assertOwn(known, caller);
  assertForward(known);
  await deps.epochs.assertCurrent(known);
  assertInTime(known, name);
  const step = await deps.journals.beginStep(task, caller, name);
  const { journal } = step;
  const site = siteOf(deps, journal);
  const attempt = { name: activity, mark: `${markOf(journal)}/${activity}`, revokes: 'step' } as const;
  await tellAway(deps, journal, false);
  return reported(deps, { task }, attempt, signal, async (whole) => {
    await endProcessesOf(site, whole.mark);
    const value = await inTime(journal, name, whole, (operation) =>
      body({
        journal,
        site,
        operation,
        attempt: step.attempt,
        record: (change) => step.record(change),
        whileMine: (work) =>
          deps.locks.hold(journal.site, operation, async (hold) => {
            operation.signal.throwIfAborted();
            await step.check();
            await deps.epochs.assertCurrent(journal);
            return work(hold);
          }),
      }),
    );
    await step.end();
    return value;
  }).catch(async (error: unknown) => {
    if (isKedgeError(error) && AWAY.has(error.code)) await tellAway(deps, journal, true);
    throw error;
  });
}

/** A step that fails so waits for a machine. */
const AWAY: ReadonlySet<string> = new Set<ErrorCode>(['HostUnreachable', 'DatabaseUnreachable']);

/** Nobody who has nothing to do with a machine that does not answer waits for those who do. Of no account for the step itself. */
async function tellAway(deps: ActivityDependencies, { task, type, target }: Journal, isAway: boolean): Promise<void> {
  const kind = leaseKindOf(type);
  if (kind !== null && serversOf({ target }).length > 0)
    await deps.leases.setAway({ task, kind }, isAway).catch(() => undefined);
}

/**
 * Who calls, as the server says.
 * @throws KedgeError WorkflowIdRefused for an activity that belongs to no workflow
 */
export function callerOf(): Caller {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution) return { workflowId: workflowExecution.workflowId, runId: workflowExecution.runId };
  throw new KedgeError('WorkflowIdRefused', 'a step of a task was called outside of a workflow');
}

/** Whether a task may still go on by itself; what runs of it in this worker counts where Temporal does not know its run. */
export async function lives(deps: ActivityDependencies, journal: Journal): Promise<boolean> {
  const runStateOf = (workflowId: string, runId: string): Promise<RunState> => deps.runStateOf(workflowId, runId);
  return taskLives(journal, runStateOf, (task) => deps.attempts.has(task));
}

/**
 * Sees to it that the caller may undo, finish and close a task: its own run, or one that holds the site now that the run is
 * no more. Temporal has one open run of a workflow id at a time.
 * @throws KedgeError WorkflowIdRefused, StepRefused while the task's own run lives
 */
export async function assertMayEnd(deps: ActivityDependencies, journal: Journal): Promise<void> {
  const caller = callerOf();
  assertHoldsSite(journal, caller);
  if (caller.runId === journal.runId || !(await lives(deps, journal))) return;
  throw new KedgeError(
    'StepRefused',
    `a call of ${journal.task} was refused: it belongs to run ${journal.runId}, which goes on`,
    { site: journal.site, state: 'the call changed nothing' },
  );
}

/**
 * Runs an undo of a task. Before the first one acts, the forward steps are revoked: their processes are ended, and the
 * journal refuses them from then on. Nothing happens when the task never came to have a journal or a target, is committed,
 * or closed. What needs nothing of the machine of the site's folders is undone while that does not answer: `needsMachine` says by
 * the journal whether `body` does anything there. Where it does, the account of the site is unlocked all the same, before the attempt
 * fails, unless the site is half switched.
 */
export async function undoStep(
  deps: ActivityDependencies,
  ref: TaskRef,
  needsMachine: (journal: Journal) => boolean,
  body: (step: UndoStep) => Promise<void>,
): Promise<Reported<null>> {
  const { info, cancellationSignal: signal } = Context.current();
  const { task } = decodeTaskRef(ref);
  const name = info.activityType;
  const known = await deps.journals.find(task);
  if (known) await assertMayEnd(deps, known);
  if (!known || !mayBeUndone(known)) return { value: null, warnings: [] };
  return reported(
    deps,
    { task },
    { name, mark: `undo-${markOf(known)}/${name}`, revokes: 'task' },
    signal,
    async (operation) => {
      // Whatever holds the lock for the task ends with its programs.
      const unended = await endWhereReached(siteOf(deps, known), markOf(known), operation);
      if (unended && needsMachine(known) && !mayBeUnlocked(known)) throw unended.error;
      // Under the lock: no step is in the middle of an act any more, and none will be.
      const journal = await deps.locks.hold(known.site, operation, () => deps.journals.beginUndo(task));
      if (!journal) return null;
      const site = siteOf(deps, journal);
      if (unended && needsMachine(journal)) {
        await unlockMeanwhile(deps, { journal, site, operation }, unended);
        throw unended.error;
      }
      const reached = unended ? { hosts: () => site.hosts().filter((host) => host !== site.host) } : site;
      if (unended)
        operation.log.info(`${name} needs nothing of ${unended.server} and goes on: ${unended.error.message}`);
      await endProcessesOf(reached, markOf(journal));
      await endProcessesOf(reached, operation.mark);
      await body(undoing(deps, { journal, site, operation }));
      await deps.journals.recordUndo(task, ({ undone }) => ({ undone: undone && [...new Set([...undone, name])] }));
      return null;
    },
  );
}

/** What comes behind an undo that waits for a machine, and needs nothing of it: nobody knows when that answers. */
async function unlockMeanwhile(deps: ActivityDependencies, at: TaskContext, { server }: Unended): Promise<void> {
  const { journal, operation } = at;
  if (!mayBeUnlocked(journal)) return;
  const what = `the account of ${journal.site}`;
  try {
    await underLock(deps, at, async (now) => {
      if (mayBeUnlocked(now.journal)) await unlockForGood(deps.journals, now);
    });
    operation.log.info(`${what} is unlocked while ${server} is waited for`);
  } catch (error) {
    operation.signal.throwIfAborted();
    // The machine is what the undo waits for: the next attempt tries both.
    operation.log.info(`${what} could not be unlocked while ${server} is waited for: ${String(error)}`);
  }
}

/** When a step that only goes forward may run, and what it returns when the task is closed: then nothing is left to do. */
export interface Finishing<T> {
  /** @throws KedgeError StepRefused */
  readonly assert: (journal: Journal, name: string) => void;
  readonly closed: T;
}

/** Runs a step at or behind the commit point: only forward from here, nothing revokes it. */
export async function finishingStep<T>(
  deps: ActivityDependencies,
  ref: TaskRef,
  { assert, closed }: Finishing<T>,
  body: (step: UndoStep) => Promise<T>,
): Promise<Reported<T>> {
  const { info, cancellationSignal: signal } = Context.current();
  const { task } = decodeTaskRef(ref);
  const name = info.activityType;
  const journal = await deps.journals.get(task);
  await assertMayEnd(deps, journal);
  // The site has gone on since.
  if (journal.outcome !== null) return { value: closed, warnings: [] };
  assert(journal, name);
  return reported(
    deps,
    { task },
    { name, mark: `finish-${markOf(journal)}/${name}`, revokes: 'task' },
    signal,
    async (operation) => {
      const site = siteOf(deps, journal);
      await endProcessesOf(site, operation.mark);
      return body(undoing(deps, { journal, site, operation }));
    },
  );
}

function undoing(deps: ActivityDependencies, at: TaskContext): UndoStep {
  return {
    ...at,
    record: (change) => deps.journals.recordUndo(at.journal.task, change),
    underLock: (work) => underLock(deps, at, work),
  };
}

interface Attempt {
  readonly name: string;
  readonly mark: string;
  /** Which attempts of this worker that still run are ended first: earlier ones of this step, or all of the task. */
  readonly revokes: 'step' | 'task';
}

/**
 * Revokes what runs still, then gives the work an operation under a mark; heartbeats once a second all the while, and
 * logs how it went.
 */
export async function reported<T>(
  deps: ActivityDependencies,
  ref: TaskRef,
  { name, mark, revokes }: Attempt,
  cancellation: AbortSignal,
  body: (operation: Operation) => Promise<T>,
): Promise<Reported<T>> {
  const context = Context.current();
  const log = deps.logs.of(ref.task, name, context.info.attempt);
  let progress: Progress = {};
  let toldAt: number | null = null;
  cancellation.addEventListener('abort', () => (toldAt = monotonicMs()), { once: true });
  const heartbeats = setInterval(() => {
    // The workflow waits for the end of what it cancelled for as long as that beats.
    if (toldAt === null || monotonicMs() - toldAt < OBEYS_WITHIN_MS) context.heartbeat(progress);
  }, HEARTBEAT_INTERVAL_MS);
  const began = monotonicMs();
  log.info('began', { event: 'began' });
  try {
    for (const deaf of await deps.attempts.revoke(ref.task, revokes === 'step' ? name : undefined))
      log.warn(
        `an earlier attempt of ${deaf} does not end although it was told to; it can change nothing of the task any more`,
      );
    const value = await deps.attempts.run(ref.task, name, cancellation, (signal) =>
      body({ signal, mark, log, progress: (next) => (progress = { ...progress, ...beaten(next) }) }),
    );
    log.info('done', {
      event: 'done',
      durationMs: Math.round(monotonicMs() - began),
      ...(progress.bytes === undefined ? {} : { bytes: progress.bytes }),
    });
    const { warnings, more } = log.told;
    return { value, warnings, ...(more === 0 ? {} : { moreWarnings: more }) };
  } catch (error) {
    const stopped = cancellation.aborted ? whyStopped(context.cancellationDetails) : null;
    if (stopped?.type === 'StepPaused') log.warn(await saidOfPause(deps, stopped.said), { event: 'paused' });
    else log.error(stopped?.said ?? (error instanceof Error ? error.message : String(error)));
    throw error;
  } finally {
    clearInterval(heartbeats);
    await log.settled();
  }
}

/** That the step was paused, and by whom where Temporal tells. */
async function saidOfPause(deps: ActivityDependencies, said: string): Promise<string> {
  const { activityId, workflowExecution } = Context.current().info;
  if (!workflowExecution) return said;
  const { workflowId, runId } = workflowExecution;
  const pause = await deps.pauseOf(workflowId, runId, activityId);
  return pause === null ? said : `${pausedText(pause)}; the step begins again when it is unpaused`;
}

const HEARTBEAT_INTERVAL_MS = 1000;
/** An attempt that goes on for longer once it was told to end is given up: its heartbeats end, and Temporal times it out. */
const OBEYS_WITHIN_MS = 20_000;

/** Progress as a heartbeat carries it. */
function beaten(progress: Progress): Progress {
  const { note } = progress;
  return note === undefined ? progress : { ...progress, note: shortened(note, MAXIMUM_TEXT_BYTES) };
}

function siteOf(deps: ActivityDependencies, journal: Journal): SiteAtWork {
  if (journal.target) return deps.siteAtWork(journal.target);
  throw new KedgeError('Internal', `task ${journal.task} has no target`, { site: journal.site });
}
