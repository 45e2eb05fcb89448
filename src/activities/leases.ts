import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../contract/error-codes';
import { assertForward, assertOwn } from '../core/tasks/authority';
import { leaseKindOf, serversOf } from '../core/tasks/leases';
import type { ActivityDependencies } from './dependencies';
import { type Reported, type TaskRef, callerOf, decodeTaskRef } from './step';

const WAITS: ErrorCode = 'LeaseAwaited';

/** Whoever is next asks soon, whoever comes later less often: a hundred that wait ask some ten times a second in all, ms. */
const NEXT_ASKS_MS = 500;
const OTHERS_ASK_MS = 250;
const LONGEST_PAUSE_MS = 15_000;

/** The activity that waits until a task may do its heavy steps. */
export function createLeaseActivities(deps: ActivityDependencies) {
  return {
    /**
     * Ends once the task has its lease. Until then it fails, and Temporal tries again: so that nobody who waits keeps a worker
     * busy, and the wait outlives every worker.
     */
    async awaitLease(ref: TaskRef): Promise<Reported<null>> {
      const { task } = decodeTaskRef(ref);
      const caller = callerOf();
      const journal = await deps.journals.get(task);
      assertOwn(journal, caller);
      assertForward(journal);
      await deps.epochs.assertCurrent(journal);
      const kind = leaseKindOf(journal.type);
      const {
        attempt,
        currentAttemptScheduledTimestampMs: asked,
        scheduledTimestampMs: began,
      } = Context.current().info;
      const log = deps.logs.of(task, 'awaitLease', attempt);
      const runs = async ({ workflowId, runId }: { workflowId: string; runId: string }): Promise<boolean> =>
        (await deps.runStateOf(workflowId, runId)) === 'running';
      const servers = serversOf(journal);
      const wait = kind === null ? null : await deps.leases.ask({ task, kind, servers }, runs);
      if (wait === null) {
        if (attempt > 1) log.info(`waited ${Math.round((asked - began) / 1000)} s for its turn among the ${kind}`);
        await log.settled();
        return { value: null, warnings: [] };
      }
      const { before, server } = wait;
      const limit =
        server === null
          ? `limits.${kind} says how many run at one time`
          : `servers.${server}.limit says how many run on ${server} at one time`;
      const message = `${before} ${before === 1 ? 'task comes' : 'tasks come'} first: ${limit}`;
      if (attempt === 1) log.info(message);
      await log.settled();
      const pause = Math.min(NEXT_ASKS_MS + (before - 1) * OTHERS_ASK_MS, LONGEST_PAUSE_MS);
      throw ApplicationFailure.create({ type: WAITS, message, nextRetryDelay: pause });
    },
  };
}
