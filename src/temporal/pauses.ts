import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { shortened } from '../contract/payload-bounds';
import type { StepPause } from '../contract/step-pause';
import { describeRun } from './running';

/** A step of a run that somebody paused. */
export interface PausedStep {
  readonly step: string;
  readonly activityId: string;
  readonly pause: StepPause;
  /** True for one that was paused while nothing of it ran: no attempt of it could tell. */
  readonly isUnheard: boolean;
}

type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;

/** The pause of a step that runs, or waits for its next attempt; null for one that nobody paused. */
export function pauseOf({ paused, pauseInfo }: PendingActivity): StepPause | null {
  if (!paused) return null;
  const { identity, reason } = pauseInfo?.manual ?? pauseInfo?.rule ?? {};
  const seconds = pauseInfo?.pauseTime?.seconds;
  return {
    by: given(identity),
    why: given(reason),
    since: seconds ? new Date(Number(seconds) * 1000).toISOString() : null,
  };
}

/**
 * Why the last attempt of a step failed; null when nothing of it failed. An attempt that ended because somebody paused or reset
 * the step is no failure of it.
 */
export function failureOf({ lastFailure }: PendingActivity): string | null {
  if (!lastFailure || endedFromOutside(lastFailure.applicationFailureInfo?.type)) return null;
  return lastFailure.message ?? null;
}

/** Those of a run; none of one that Temporal does not know. @throws what Temporal's client throws */
export async function pausedSteps(client: Client, workflowId: string, runId: string): Promise<PausedStep[]> {
  const description = await describeRun(client, workflowId, runId);
  return (description?.raw.pendingActivities ?? []).flatMap((pending) => {
    const pause = pauseOf(pending);
    if (pause === null) return [];
    const { activityType, activityId, lastStartedTime, lastFailure } = pending;
    const isUnheard = !lastStartedTime && !endedFromOutside(lastFailure?.applicationFailureInfo?.type);
    return [{ step: activityType?.name ?? '', activityId: activityId ?? '', pause, isUnheard }];
  });
}

/** Types that Kedge's own attempts end with then, and those of the SDK where it says so itself (1.24). */
const FROM_OUTSIDE: readonly string[] = ['StepPaused', 'StepReset', 'ActivityPause', 'ActivityReset'];

function endedFromOutside(type: string | null | undefined): boolean {
  return FROM_OUTSIDE.includes(type ?? '');
}

/** Anybody who reaches Temporal writes it. */
function given(text: string | null | undefined): string | null {
  return text ? shortened(text, MAXIMUM_BYTES) : null;
}

const MAXIMUM_BYTES = 500;
