import { Context } from '@temporalio/activity';
import { KedgeError } from '../contract/errors';
import type { Progress } from '../contract/tasks';
import type { Target } from '../contract/target';
import type { Operation } from '../core/operation';
import { type Journal, markOf } from '../core/tasks/journal';
import { assertForward, assertRun } from '../core/tasks/journals';
import type { ActivityDependencies } from './dependencies';
import { assertInTime, inTime } from './time-limit';

/** What every step of a task is given. Everything else is in the task's journal. */
export interface TaskRef {
  task: string;
}

/** What every step returns: its value, and what it warned about. */
export interface Reported<T> {
  value: T;
  warnings: string[];
}

/** What the body of a forward step works with. */
export interface Step {
  readonly journal: Journal;
  readonly target: Target;
  readonly operation: Operation;
  /** Writes to the journal, unless another run or undo has taken over. */
  readonly record: (change: Partial<Journal> | ((journal: Journal) => Partial<Journal>)) => Promise<Journal>;
  /**
   * Does what visitors notice under the site's lock, when the task may still go forward: nobody takes the site over
   * between the look and the act. @throws KedgeError TaskWasReset, TaskSuperseded
   */
  readonly whileMine: <T>(work: () => Promise<T>) => Promise<T>;
}

/** What the body of an undo works with. `target` is null when preflight never came to resolve it: nothing was done then. */
export interface UndoStep {
  readonly journal: Journal;
  readonly target: Target;
  readonly operation: Operation;
  readonly record: (change: Partial<Journal> | ((journal: Journal) => Partial<Journal>)) => Promise<Journal>;
}

/**
 * Runs a forward step of a task: refuses when the task was reset, taken over, is being undone or is out of its time in
 * maintenance; ends what an earlier attempt of the step left running; heartbeats; logs.
 */
export async function forwardStep<T>(
  deps: ActivityDependencies,
  ref: TaskRef,
  body: (step: Step) => Promise<T>,
): Promise<Reported<T>> {
  const { info, cancellationSignal: signal } = Context.current();
  const runId = info.workflowExecution?.runId ?? '';
  const name = info.activityType;
  await assertMine(deps, ref);
  const journal = await deps.journals.record(ref.task, runId, { step: name });
  assertInTime(journal, name);
  const target = targetOf(journal);
  return reported(deps, ref, { name, mark: `${markOf(journal)}/${name}`, revokes: 'step' }, signal, async (whole) => {
    await deps.webHost(target).endProcesses(whole.mark);
    return inTime(journal, name, whole, (operation) =>
      body({
        journal,
        target,
        operation,
        record: (change) => deps.journals.record(ref.task, runId, change),
        whileMine: (work) =>
          deps.locks.hold(journal.site, operation, async () => {
            operation.signal.throwIfAborted();
            await assertMine(deps, ref);
            return work();
          }),
      }),
    );
  });
}

/**
 * Sees to it that the run this activity belongs to may still go forward.
 * @throws KedgeError TaskWasReset for another run, TaskSuperseded once undo has begun or the site was taken over
 */
export async function assertMine(deps: ActivityDependencies, ref: TaskRef): Promise<void> {
  const journal = await deps.journals.get(ref.task);
  assertRun(journal, Context.current().info.workflowExecution?.runId ?? '');
  assertForward(journal);
  await deps.epochs.assertCurrent(journal);
}

/**
 * Runs an undo of a task. Before the first one acts, the forward steps are revoked: their processes are ended, and the
 * journal refuses them from then on. Nothing happens when the task never came to have a journal or a target.
 */
export async function undoStep(
  deps: ActivityDependencies,
  ref: TaskRef,
  body: (step: UndoStep) => Promise<void>,
): Promise<Reported<null>> {
  const { info, cancellationSignal: signal } = Context.current();
  const before = await deps.journals.find(ref.task);
  if (!before?.target || before.outcome !== null || before.committed) return { value: null, warnings: [] };
  const journal = before.undoing ? before : await deps.journals.recordUndo(ref.task, { undoing: true });
  return reported(
    deps,
    ref,
    { name: info.activityType, mark: `undo-${markOf(journal)}/${info.activityType}`, revokes: 'task' },
    signal,
    async (operation) => {
      const target = targetOf(journal);
      await deps.webHost(target).endProcesses(markOf(journal));
      await deps.webHost(target).endProcesses(operation.mark);
      await body({ journal, target, operation, record: (change) => deps.journals.recordUndo(ref.task, change) });
      return null;
    },
  );
}

/** Runs a step after the commit point: only forward from here, nothing revokes it. */
export async function finishingStep<T>(
  deps: ActivityDependencies,
  ref: TaskRef,
  body: (step: UndoStep) => Promise<T>,
): Promise<Reported<T>> {
  const { info, cancellationSignal: signal } = Context.current();
  const journal = await deps.journals.get(ref.task);
  return reported(
    deps,
    ref,
    { name: info.activityType, mark: `finish-${markOf(journal)}/${info.activityType}`, revokes: 'task' },
    signal,
    async (operation) => {
      const target = targetOf(journal);
      await deps.webHost(target).endProcesses(operation.mark);
      return body({ journal, target, operation, record: (change) => deps.journals.recordUndo(ref.task, change) });
    },
  );
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
  const heartbeats = setInterval(() => context.heartbeat(progress), HEARTBEAT_INTERVAL_MS);
  const began = Date.now();
  log.info('began', { event: 'began' });
  try {
    await deps.attempts.revoke(ref.task, revokes === 'step' ? name : undefined);
    const value = await deps.attempts.run(ref.task, name, cancellation, (signal) =>
      body({ signal, mark, log, progress: (next) => (progress = { ...progress, ...next }) }),
    );
    log.info('done', {
      event: 'done',
      durationMs: Date.now() - began,
      ...(progress.bytes === undefined ? {} : { bytes: progress.bytes }),
    });
    return { value, warnings: log.warnings };
  } catch (error) {
    log.error(cancellation.aborted ? 'cancelled' : error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    clearInterval(heartbeats);
    await log.settled();
  }
}

const HEARTBEAT_INTERVAL_MS = 1000;

function targetOf(journal: Journal): Target {
  if (journal.target) return journal.target;
  throw new KedgeError('Internal', `task ${journal.task} has no target`, { site: journal.site });
}
