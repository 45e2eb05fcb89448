import type { ActivityCancellationDetails } from '@temporalio/common';

/** Why an attempt was told to end: in the log of its task, and as the type of its failure. */
export interface Stopped {
  readonly type: 'Cancelled' | 'StepPaused' | 'StepReset' | 'RunGone' | 'WorkerStopped';
  readonly said: string;
}

/**
 * A person's cancel, and all that only looks like one: Temporal ends an attempt also when somebody pauses or resets the step,
 * and when the worker stops. Then nothing is undone, the step begins again.
 */
export function whyStopped(details: ActivityCancellationDetails | undefined): Stopped {
  if (details?.cancelRequested) return { type: 'Cancelled', said: 'cancelled' };
  if (details?.paused)
    return { type: 'StepPaused', said: 'paused in Temporal; the step begins again when it is unpaused' };
  if (details?.reset) return { type: 'StepReset', said: 'reset in Temporal; the step begins again' };
  // Temporal had not heard of it for too long, or its time was over.
  if (details?.notFound || details?.timedOut)
    return { type: 'RunGone', said: 'its workflow has ended, or gave this attempt up' };
  return { type: 'WorkerStopped', said: 'the worker stopped in the middle of this step' };
}
