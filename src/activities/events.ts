import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { z } from 'zod';
import { siteOfTask } from '../contract/names';
import { STEP_SUMMARIES } from '../contract/steps';

/** What a worker says of its tasks, for whoever collects logs: a line each. */
export interface WorkerEvent {
  readonly event: 'task begun' | 'step failed' | 'task ended';
  readonly task: string;
  readonly site: string | null;
  readonly step?: string;
  /** From 1. */
  readonly attempt?: number;
  /** Of a failed step, or of a task that ended otherwise than well. */
  readonly code?: string;
  readonly message?: string;
  /** How the task ended. */
  readonly status?: string;
}

const taskSchema = z.object({ task: z.string() });
const closingSchema = z.object({ status: z.string(), code: z.string().nullable(), message: z.string().nullable() });

/**
 * Tells of tasks that begin and end, and of every step that fails, also of one that is tried again. Stands before the interceptor of failures:
 * what they say holds no secret.
 */
export class EventInterceptor implements ActivityInboundCallsInterceptor {
  constructor(private readonly tell: (event: WorkerEvent) => void) {}

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    const { activityType, attempt } = Context.current().info;
    const { task } = taskSchema.safeParse(input.args[0]).data ?? {};
    if (task === undefined) return next(input);
    const of = { task, site: siteOfTask(task) ?? null };
    try {
      const result = await next(input);
      if (activityType === 'preflight') this.tell({ event: 'task begun', ...of });
      if (activityType === 'closeTask') this.tell({ event: 'task ended', ...of, ...outcomeOf(input.args[1]) });
      return result;
    } catch (error) {
      if (isStep(activityType) && error instanceof ApplicationFailure)
        this.tell({
          ...{ event: 'step failed', ...of, step: activityType, attempt },
          ...{ code: error.type ?? 'Internal', message: error.message },
        });
      throw error;
    }
  }
}

/** Waiting for a place, asking and looking fail as often as they like. */
function isStep(activity: string): boolean {
  return Object.hasOwn(STEP_SUMMARIES, activity) || activity === 'closeTask';
}

function outcomeOf(closing: unknown): Pick<WorkerEvent, 'status' | 'code' | 'message'> {
  const { status, code = null, message = null } = closingSchema.safeParse(closing).data ?? {};
  return {
    ...(status === undefined ? {} : { status }),
    ...(code === null ? {} : { code }),
    ...(message === null ? {} : { message }),
  };
}
