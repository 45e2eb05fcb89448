import { ActivityFailure, TimeoutFailure, patched } from '@temporalio/workflow';

/** A worker that hangs may have asked for several pieces of work: each is lost with it. */
const LOST_LOOKS = 4;

/**
 * A look before anything is done. Few tries say soon that a server does not answer; those that were lost with a worker which hangs
 * beside a healthy one do not count.
 * @throws ActivityFailure
 */
export async function look<T>(activity: () => Promise<T>): Promise<T> {
  for (let lost = 1; ; lost += 1) {
    try {
      return await activity();
    } catch (error) {
      if (lost === LOST_LOOKS || !wasLost(error) || !patched('lost-looks')) throw error;
    }
  }
}

/** True when the last try stopped beating. */
function wasLost(error: unknown): boolean {
  return (
    error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.timeoutType === 'HEARTBEAT'
  );
}
