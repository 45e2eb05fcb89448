import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { z } from 'zod';
import { KedgeError, isKedgeError } from '../contract/errors';
import { GIVE_UP_UPDATE, NO_VALUE, SEARCH_ATTRIBUTES, siteWorkflowId, turnsWorkflowId } from '../contract/names';
import type { StepPause } from '../contract/step-pause';
import { type Progress, type Ticket, progressSchema } from '../contract/tasks';
import { TaskFailedError, kedgeErrorOf } from './failures';
import { failureOf, pauseOf } from './pauses';
import { describeRun, isOpen } from './running';

/** A step that runs or waits for its next attempt. */
export interface RunningStep {
  step: string;
  attempt: number;
  progress: Progress;
  /** Why the attempt before failed. */
  lastFailure: string | null;
  /** Somebody paused it in Temporal: it goes on when it is unpaused. Null where nobody did. */
  paused: StepPause | null;
}

export interface TaskStatus {
  state: 'waiting' | 'running' | 'ended';
  steps: RunningStep[];
  /** The undo that cannot finish and needs somebody's hand. */
  attention: string | null;
}

/** A task that was submitted. */
export class TaskHandle<Result> {
  readonly task: string;
  private run: WorkflowHandle | null = null;
  private runId: string | null = null;
  private gaveUp = false;

  constructor(
    private readonly client: Client,
    private readonly taskQueue: string,
    readonly site: string,
    readonly ticket: Ticket,
    private readonly schema: z.ZodType<Result>,
  ) {
    this.task = ticket.task;
  }

  /**
   * Waits for the outcome, be the task still waiting for its turn. `signal` ends the waiting, not the task.
   * @throws KedgeError with the code of what failed
   */
  async result(signal: AbortSignal = new AbortController().signal): Promise<Result> {
    const waiting = AbortSignal.any([signal]);
    // Each poll of the client leaves a listener until the wait is over.
    setMaxListeners(0, waiting);
    try {
      const run = await this.started(waiting);
      return this.schema.parse(await this.client.withAbortSignal(waiting, () => run.result()));
    } catch (error) {
      throw await this.endOf(error);
    }
  }

  /** What a run ended with. A run that somebody resets is terminated, and another one stands in its place. */
  private async endOf(error: unknown): Promise<unknown> {
    const end = kedgeErrorOf(error, this.site);
    if (!isKedgeError(end) || end.code !== 'TaskTerminated') return end;
    const newest = await describeRun(this.client, siteWorkflowId(this.site)).catch(() => null);
    if (newest?.memo?.['task'] !== this.task || newest.runId === this.runId) return end;
    return new TaskFailedError(
      'TaskWasReset',
      `${this.task} was reset in Temporal: what a task did to a site cannot be replayed from the middle`,
      { site: this.site, state: 'its new run puts the site back, or ends a restore that was committed' },
    );
  }

  /**
   * Asks the task to stop and undo, or gives its turn up while it waits for one. Returns at once; `result` tells when it
   * has stopped.
   */
  async cancel(): Promise<void> {
    try {
      this.gaveUp ||= (await this.find()) === null && (await this.giveUpTurn());
      if (!this.gaveUp) await (await this.started()).cancel();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw kedgeErrorOf(error, this.site);
    }
  }

  /** Where the task is now. @throws KedgeError TemporalUnreachable */
  async status(): Promise<TaskStatus> {
    try {
      const run = await this.find();
      return run ? statusOf(await run.describe()) : { state: 'waiting', steps: [], attention: null };
    } catch (error) {
      throw kedgeErrorOf(error, this.site);
    }
  }

  /**
   * Lines of the task's log, from the first on, until the task has ended; of one that has not begun too. Each page is a workflow on
   * the master, which waits for lines.
   * @throws KedgeError TaskUnknown for one that ended without a log; TemporalUnreachable
   */
  async *log(): AsyncGenerator<Record<string, unknown>> {
    for (let offset = 0; ;) {
      const page = await this.logPage(offset);
      yield* page.lines;
      if (page.ended && page.lines.length === 0) return;
      offset = page.next;
    }
  }

  private async logPage(offset: number): Promise<LogPage> {
    for (;;) {
      // Asked first: a task that ends meanwhile has its log by then.
      const { state } = await this.status();
      try {
        return await this.readLog(offset);
      } catch (error) {
        const mayCome = state !== 'ended' && isKedgeError(error) && error.code === 'TaskUnknown';
        if (!mayCome) throw error;
        await delay(POLL_INTERVAL_MS);
      }
    }
  }

  private async readLog(offset: number): Promise<LogPage> {
    try {
      return await this.client.workflow.execute<(input: LogPageRequest) => Promise<LogPage>>('readTaskLog', {
        workflowId: `read-log/${this.task}/${offset}/${Date.now()}`,
        taskQueue: this.taskQueue,
        args: [{ task: this.task, offset, waitMs: WAIT_FOR_LINES_MS }],
      });
    } catch (error) {
      throw kedgeErrorOf(error, this.site);
    }
  }

  /** Gives the turn up that the task waits for. False when it has its turn already, or never asked for one. */
  async giveUpTurn(): Promise<boolean> {
    const queue = this.client.workflow.getHandle(turnsWorkflowId(this.site));
    const asking = this.client.withDeadline(Date.now() + ANSWER_MS, () =>
      queue.executeUpdate<boolean, [string]>(GIVE_UP_UPDATE, { args: [this.task] }),
    );
    return asking.catch((error: unknown) => {
      // A queue that has ended has given every turn.
      if (error instanceof WorkflowNotFoundError) return false;
      if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
      throw new KedgeError('NoWorker', `no worker answered on ${this.taskQueue}: ${this.task} may still begin`, {
        site: this.site,
      });
    });
  }

  private async started(signal?: AbortSignal): Promise<WorkflowHandle> {
    for (let attempt = 1, lost = 0; ; attempt += 1) {
      if (this.gaveUp)
        throw new KedgeError('Cancelled', `${this.task} gave its turn up`, {
          site: this.site,
          state: 'the site is unchanged',
        });
      // Asked first: a queue that has ended has begun every task it had.
      const mayBegin = await this.mayBegin();
      const run = await this.find();
      if (run) return run;
      lost = mayBegin ? 0 : lost + 1;
      if (lost >= LOOKS_FOR_LOST)
        throw new TaskFailedError('TaskTerminated', `${this.task} lost its turn: its queue was ended in Temporal`, {
          site: this.site,
          state: 'the site is unchanged',
          hint: 'Start the task anew.',
        });
      await delay(
        Math.min(attempt * START_POLL_INTERVAL_MS, POLL_INTERVAL_MS),
        undefined,
        signal === undefined ? {} : { signal },
      );
    }
  }

  /** Whether there is a queue that can still give the task its turn. */
  private async mayBegin(): Promise<boolean> {
    if (!this.ticket.waiting) return true;
    const queue = await describeRun(this.client, turnsWorkflowId(this.site));
    return queue !== null && isOpen(queue);
  }

  /** The run of this task: the newest under the site's ID, or an earlier one. Null while the task waits for its turn. */
  private async find(): Promise<WorkflowHandle | null> {
    if (this.run) return this.run;
    const workflowId = siteWorkflowId(this.site);
    const runId = (await this.newestRun(workflowId)) ?? (await this.earlierRun(workflowId));
    if (runId === null) return null;
    this.runId = runId;
    this.run = this.client.workflow.getHandle(workflowId, runId);
    return this.run;
  }

  private async newestRun(workflowId: string): Promise<string | null> {
    try {
      const newest = await this.client.workflow.getHandle(workflowId).describe();
      return newest.memo?.['task'] === this.task ? newest.runId : null;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return null;
      throw error;
    }
  }

  private async earlierRun(workflowId: string): Promise<string | null> {
    if (!/^site\/[a-z0-9.-]+$/.test(workflowId)) throw new KedgeError('SiteUnknown', `${workflowId} is no site`);
    for await (const run of this.client.workflow.list({ query: `WorkflowId = '${workflowId}'`, pageSize: 50 })) {
      if (run.memo?.['task'] === this.task) return run.runId;
    }
    return null;
  }
}

/** For a worker to answer. */
const ANSWER_MS = 20_000;
const POLL_INTERVAL_MS = 500;
/** What has begun and ended is in Temporal's lists a moment later. */
const LOOKS_FOR_LOST = 10;
/** For the lines of a page. */
const WAIT_FOR_LINES_MS = 20_000;
/** A task begins a few tens of milliseconds after its ticket was given, unless it waits for its turn. */
const START_POLL_INTERVAL_MS = 50;

function statusOf(description: WorkflowExecutionDescription): TaskStatus {
  const attention = description.searchAttributes[SEARCH_ATTRIBUTES.attention]?.[0];
  const steps = (description.raw.pendingActivities ?? []).map((pending) => {
    const payload = pending.heartbeatDetails?.payloads?.[0];
    const progress = progressSchema.safeParse(payload ? defaultPayloadConverter.fromPayload(payload) : {});
    return {
      step: pending.activityType?.name ?? '',
      attempt: pending.attempt ?? 1,
      progress: progress.data ?? {},
      lastFailure: failureOf(pending),
      paused: pauseOf(pending),
    };
  });
  return {
    state: isOpen(description) ? 'running' : 'ended',
    steps,
    attention: typeof attention === 'string' && attention !== NO_VALUE ? attention : null,
  };
}

interface LogPageRequest {
  task: string;
  offset: number;
  waitMs: number;
}

interface LogPage {
  lines: Record<string, unknown>[];
  next: number;
  ended: boolean;
}
