import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type { PreflightResult } from '../../activities/preflight';
import type { Closed } from '../../activities/tasks';
import type { TaskFailureDetails } from '../../contract/tasks';
import type { ErrorCode } from '../../contract/error-codes';
import { type TaskType, taskIdOf } from '../../contract/names';
import { MAXIMUM_MESSAGE_BYTES, shortened } from '../../contract/payload-bounds';
import { finishOf, planOf } from '../../contract/steps';
import { endless, looking } from '../options';
import { endedFromOutside } from './ended-from-outside';
import { look } from './look';
import { type Told, linesOfFailure, linesOfSuccess } from './outcome';
import { recoverTask } from './recover-task';
import { Task } from './task';
import { undoOrFinish } from './undo-or-finish';
import { setCode, setTaskAttributes } from './visibility';

interface TaskInput {
  site: string;
  task?: string;
  who?: string;
  quiesce?: boolean;
}

/** The frame of every result. */
export interface TaskReport {
  task: string;
  site: string;
  warnings: string[];
  durationMs: number;
}

/**
 * The frame of every task: recovers what an earlier one left open, runs preflight and the runbook; when that fails,
 * undoes, closes the journal, and fails with the original error, what state things are in, and the safety backup.
 */
export async function asTask<Result extends Told>(
  type: TaskType,
  input: TaskInput,
  attributes: { backup?: string; trigger: string },
  runbook: (task: Task, found: PreflightResult) => Promise<Result>,
): Promise<Result & TaskReport> {
  const began = workflowInfo().startTime;
  const { site } = input;
  const task = new Task(site, input.task ?? taskIdOf(site, type, began), planShown(type, input));
  setTaskAttributes({ site, ...attributes, ...(input.who === undefined ? {} : { who: input.who }) });
  task.answerStatus();
  const whole = CancellationScope.current();
  try {
    for (const abandoned of await look(() => looking.findAbandonedTasks({ site })))
      await recoverTask({ task: abandoned }, site);
    task.answerStatus();
    task.runbook.began('preflight');
    const reported = await look(() => looking.preflight({ type, task: task.ref.task, input }));
    const found = reported.value;
    task.runbook.ended('preflight');
    task.told.addAll(reported);
    task.undo.attentionAfterMs = found.attentionAfterMs;
    task.limit.limits = found.maintenance ?? null;
    task.hooks = found.hooks;
    const result = await task.limit.within(() => runbook(task, found));
    const closed = await CancellationScope.nonCancellable(() =>
      endless.closeTask(task.ref, { status: 'done', code: null, message: null, warnings: task.warnings }),
    );
    if (closed) task.told.addAll(closed);
    if (isRepeated(found, closed)) throw wasReset(task);
    const { warnings } = task;
    const durationMs = Math.max(0, Date.now() - began.getTime());
    task.runbook.over(linesOfSuccess(result, { durationMs, warnings }));
    return { ...result, task: task.ref.task, site, warnings, durationMs };
  } catch (error) {
    // Who asked for it is told so, whatever the attempt failed with that was to hear of it.
    const cancelled = whole.consideredCancelled || isCancellation(error);
    throw await CancellationScope.nonCancellable(() => fail(task, error, cancelled));
  }
}

/** True in a run that somebody made by resetting one that had ended: nothing of what it would return was done by it. */
function isRepeated(found: PreflightResult, closed: Closed | null): boolean {
  const { runId } = workflowInfo();
  return found.runId !== undefined && found.runId !== runId && closed?.runId !== runId;
}

function wasReset({ ref, site }: Task): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'TaskWasReset',
    message: `${ref.task} was reset in Temporal after it had ended: nothing of it was done again`,
    details: [{ site, hint: 'Start the task anew.' }],
    nonRetryable: true,
  });
}

/** Steps as far as they are known before preflight has said which hooks the site has. */
function planShown(type: TaskType, { quiesce = false }: TaskInput): string[] {
  const accepted = { type, quiesce, hooks: [] };
  return [...planOf(accepted), ...finishOf(accepted)];
}

/** Undoes, closes, and gives the failure the workflow ends with. */
async function fail(task: Task, error: unknown, wasCancelled: boolean): Promise<unknown> {
  const cause = causeOf(error);
  const { open, committed: hadCommitted, safetyBackup } = await endless.readJournal(task.ref);
  // The journal of a reset task says more than what this run has registered: that it was committed, for one.
  if (cause?.type === 'TaskWasReset') task.undo.registerAll();
  const committed = (await undoOrFinish(task, open && hadCommitted)) || hadCommitted;
  // A task behind its commit point is not as it was before.
  const cancelled = wasCancelled && !committed;
  const message = shortened(
    cause?.message ?? (error instanceof Error ? error.message : String(error)),
    MAXIMUM_MESSAGE_BYTES,
  );
  const code = cancelled ? 'Cancelled' : (cause?.type ?? 'Internal');
  await endless.closeTask(task.ref, {
    status: cancelled ? 'cancelled' : 'failed',
    code,
    message: cancelled ? 'cancelled' : message,
    warnings: task.warnings,
  });
  setCode(code);
  const told = (cause?.details?.[0] ?? {}) as TaskFailureDetails;
  const { hint, state, site, ...where } = cancelled ? {} : told;
  // What is looked for first comes first, where the whole is shown.
  const details: TaskFailureDetails = {
    state: stateNow(cause?.type === 'TaskWasReset' && !open, committed) ?? state ?? 'the site is as it was before',
    ...(hint === undefined ? {} : { hint }),
    ...(safetyBackup === null ? {} : { safetyBackup }),
    site: site ?? task.site,
    ...where,
  };
  task.runbook.over(linesOfFailure({ code, message }, details, task.runbook.failedIn));
  if (cancelled)
    return error instanceof CancelledFailure ? error : new CancelledFailure(`${task.ref.task} was cancelled`);
  const failure = ApplicationFailure.create({
    ...{ type: code, message, details: [details], nonRetryable: true },
    // Names the step.
    ...(error instanceof ActivityFailure ? { cause: error } : {}),
  });
  // Where in the workflow it was made is nothing to an operator.
  failure.stack = '';
  return failure;
}

/** How the site stands, where the journal knows better than whoever failed. */
function stateNow(isOver: boolean, committed: boolean): string | null {
  if (isOver) return 'the task was over, and the site is as that left it';
  return committed ? 'the site is restored' : null;
}

function causeOf(error: unknown): ApplicationFailure | null {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
    const ended = endedFromOutside(error.cause.type);
    return ended === null ? error.cause : interrupted(error.activityType, ended);
  }
  if (error instanceof ActivityFailure && error.cause) {
    return ApplicationFailure.create({
      type: 'ProgramTimedOut',
      message: `${error.activityType}: ${error.cause.message}`,
    });
  }
  return null;
}

/** Nothing of the step failed: somebody ended each attempt that it has. */
function interrupted(step: string, ended: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'StepInterrupted' satisfies ErrorCode,
    message: `${step} was ended from outside as often as it is tried; the last time it was ${ended}`,
  });
}
