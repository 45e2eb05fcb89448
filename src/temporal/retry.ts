import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import type { ErrorCode } from '../contract/error-codes';
import { describeRun } from './running';
import { pauseOf } from './pauses';

const { PENDING_ACTIVITY_STATE_SCHEDULED } = temporal.api.enums.v1.PendingActivityState;
/** A turn comes when it comes. */
const WAITS_FOR_TURN: ErrorCode = 'LeaseAwaited';

/**
 * Has the steps of a run that failed and wait for their next attempt begin it now; a paused one stays paused. Their attempts are counted
 * anew. Returns their names.
 * @throws what Temporal's client throws
 */
export async function retryNow(client: Client, workflowId: string, runId: string): Promise<string[]> {
  const description = await describeRun(client, workflowId, runId);
  const waiting = (description?.raw.pendingActivities ?? []).filter(
    (pending) =>
      pending.state === PENDING_ACTIVITY_STATE_SCHEDULED &&
      pending.lastFailure &&
      pending.lastFailure.applicationFailureInfo?.type !== WAITS_FOR_TURN &&
      pauseOf(pending) === null,
  );
  for (const { activityId } of waiting)
    await client.workflowService.resetActivity({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      ...(activityId ? { id: activityId } : {}),
      identity: client.options.identity ?? '',
    });
  return waiting.map(({ activityType }) => activityType?.name ?? '');
}
