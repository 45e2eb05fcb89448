import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../../activities';
import type { PreflightResult } from '../../activities/preflight';
import type { Reported, TaskRef } from '../../activities/step';
import type { TaskFailureDetails } from '../../contract/tasks';
import { type TaskType, taskIdOf } from '../../contract/names';
import { endless, forward, looking, tidying } from '../options';
import { Undo, type UndoName } from '../undo';
import { withAttention } from './attention';
import { recoverTask } from './recover-task';
import { Runbook, setTaskAttributes } from './visibility';

/** Activities that are steps of a task: they are given its reference, and report. */
type StepName = {
  [Name in keyof Activities]: Activities[Name] extends (ref: TaskRef, ...rest: never[]) => Promise<Reported<unknown>>
    ? Name
    : never;
}[keyof Activities];
type Rest<Name extends StepName> = Activities[Name] extends (ref: TaskRef, ...rest: infer Arguments) => unknown
  ? Arguments
  : never;
type Value<Name extends StepName> = Activities[Name] extends (...all: never[]) => Promise<Reported<infer V>>
  ? V
  : never;

/** What a task's runbook is written with. */
export class Task {
  readonly ref: TaskRef;
  readonly warnings: string[] = [];
  readonly undo = new Undo();
  readonly runbook: Runbook;

  constructor(
    readonly site: string,
    task: string,
    plan: readonly string[],
  ) {
    this.ref = { task };
    this.runbook = new Runbook(site, plan);
  }

  /** Runs a forward step. `undoneBy` is registered before it starts. */
  async step<Name extends StepName>(name: Name, undoneBy: UndoName | null, ...rest: Rest<Name>): Promise<Value<Name>> {
    if (undoneBy !== null) this.undo.register(undoneBy);
    return this.report(forward, name, rest);
  }

  /** Runs a step behind the commit point: until it succeeds. When that takes too long it asks for attention. */
  async finish<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<Value<Name>> {
    return withAttention(this.undo.attentionAfterMs, (nameStep) => {
      nameStep(name);
      return this.report(endless, name, rest);
    });
  }

  /** Takes back what was registered to be taken back. */
  async takeBack(): Promise<void> {
    await this.undo.run(this.ref, (name) => this.runbook.undoing(name));
  }

  /** Removes what is no longer needed. When that cannot be done it is a warning. */
  async tidy<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<void> {
    try {
      await this.report(tidying, name, rest);
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      this.warnings.push(`${name} could not finish: ${error.cause?.message ?? error.message}`);
    }
  }

  private async report<Name extends StepName>(
    activities: Activities,
    name: Name,
    rest: Rest<Name>,
  ): Promise<Value<Name>> {
    const activity = activities[name] as unknown as (
      ref: TaskRef,
      ...rest: Rest<Name>
    ) => Promise<Reported<Value<Name>>>;
    this.runbook.began(name);
    const { value, warnings } = await activity(this.ref, ...rest);
    this.runbook.ended(name);
    this.warnings.push(...warnings);
    return value;
  }
}

interface TaskInput {
  site: string;
  task?: string;
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
export async function asTask<Result>(
  type: TaskType,
  input: TaskInput,
  attributes: { backup?: string; trigger: string },
  plan: readonly string[],
  runbook: (task: Task, found: PreflightResult) => Promise<Result>,
): Promise<Result & TaskReport> {
  const began = workflowInfo().startTime;
  const { site } = input;
  const task = new Task(site, input.task ?? taskIdOf(site, type, began), ['preflight', ...plan]);
  setTaskAttributes({ site, ...attributes });
  try {
    for (const abandoned of await looking.findAbandonedTasks({ site })) await recoverTask({ task: abandoned }, site);
    task.runbook.began('preflight');
    const { value: found, warnings } = await looking.preflight({ type, task: task.ref.task, input });
    task.runbook.ended('preflight');
    task.warnings.push(...warnings);
    task.undo.attentionAfterMs = found.attentionAfterMs;
    const result = await runbook(task, found);
    await CancellationScope.nonCancellable(() =>
      endless.closeTask(task.ref, { status: 'done', code: null, message: null, warnings: task.warnings }),
    );
    return { ...result, task: task.ref.task, site, warnings: task.warnings, durationMs: Date.now() - began.getTime() };
  } catch (error) {
    throw await CancellationScope.nonCancellable(() => fail(task, error));
  }
}

/** Undoes, closes, and gives the failure the workflow ends with. */
async function fail(task: Task, error: unknown): Promise<unknown> {
  const cause = causeOf(error);
  const cancelled = isCancellation(error);
  // The journal of a reset task says more than what this run has registered.
  if (cause?.type === 'TaskWasReset') task.undo.registerAll();
  await task.takeBack();
  const safetyBackup = await endless.findSafetyBackup(task.ref);
  const message = cause?.message ?? (error instanceof Error ? error.message : String(error));
  await endless.closeTask(task.ref, {
    status: cancelled ? 'cancelled' : 'failed',
    code: cancelled ? 'Cancelled' : (cause?.type ?? 'Internal'),
    message: cancelled ? 'cancelled' : message,
    warnings: task.warnings,
  });
  if (cancelled)
    return error instanceof CancelledFailure ? error : new CancelledFailure(`${task.ref.task} was cancelled`);
  const told = (cause?.details?.[0] ?? {}) as TaskFailureDetails;
  const details: TaskFailureDetails = {
    ...told,
    site: told.site ?? task.site,
    state: told.state ?? 'the site is as it was before',
    ...(safetyBackup === null ? {} : { safetyBackup }),
  };
  return ApplicationFailure.create({
    type: cause?.type ?? 'Internal',
    message,
    details: [details],
    nonRetryable: true,
  });
}

function causeOf(error: unknown): ApplicationFailure | null {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) return error.cause;
  if (error instanceof ActivityFailure && error.cause) {
    return ApplicationFailure.create({
      type: 'ProgramTimedOut',
      message: `${error.activityType}: ${error.cause.message}`,
    });
  }
  return null;
}
