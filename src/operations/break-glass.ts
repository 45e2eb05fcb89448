import type { SiteLocks } from '../core/tasks/site-locks';

/** Who breaks the glass does not wait for a Temporal that hangs, ms. */
export const ANSWER_WITHIN_MS = 10_000;

/** What is done under the lock of a site takes a few seconds; a holder that takes longer is ended, ms. */
const PATIENCE_MS = 15_000;

/** The locks for who takes a site over by hand: he is told which process he waits for, and does not wait for long. */
export function breakGlassLocks(locks: SiteLocks, tell: (message: string) => void): SiteLocks {
  return locks.waiting({ patienceMs: PATIENCE_MS, tell });
}
