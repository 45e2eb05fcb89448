import type { Stopped } from '../../activities/why-stopped';

/** Why an attempt was ended that had nothing to do with the step; the SDK's own names where it says so itself (1.24). */
const ENDED_FROM_OUTSIDE: Readonly<Record<Stopped['type'] | 'ActivityPause' | 'ActivityReset', string>> = {
  Cancelled: 'cancelled',
  StepPaused: 'paused in Temporal',
  ActivityPause: 'paused in Temporal',
  StepReset: 'reset in Temporal',
  ActivityReset: 'reset in Temporal',
  RunGone: 'given up by Temporal',
  WorkerStopped: 'ended with its worker',
};

/** What somebody did to the last attempt of a step, by the type of its failure, as the end of a sentence; null where it failed by itself. */
export function endedFromOutside(type: string | null | undefined): string | null {
  return isKnown(type) ? ENDED_FROM_OUTSIDE[type] : null;
}

function isKnown(type: string | null | undefined): type is keyof typeof ENDED_FROM_OUTSIDE {
  return typeof type === 'string' && Object.hasOwn(ENDED_FROM_OUTSIDE, type);
}
