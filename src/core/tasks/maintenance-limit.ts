import { bootNow } from '../clock';
import type { Journal } from './journal';

export type Maintenance = NonNullable<Journal['maintenance']>;

/** When a task that shuts its site now must have opened it again: by both clocks. */
export function limitAfter(limitMs: number): Pick<Maintenance, 'deadline' | 'limit'> {
  const { boot, ms } = bootNow();
  return { deadline: new Date(Date.now() + limitMs).toISOString(), limit: { boot, ms: ms + limitMs } };
}

/**
 * How long a task may still keep its site shut, ms; negative past its limit, null when it keeps nobody out. Within one boot
 * whoever sets the clock of the machine changes nothing; after another boot that clock is all there is.
 */
export function shutFor({ maintenance }: Pick<Journal, 'maintenance'>): number | null {
  if (!maintenance || maintenance.foundOn || maintenance.ended !== null) return null;
  const now = bootNow();
  const { limit, deadline } = maintenance;
  return limit?.boot === now.boot ? limit.ms - now.ms : Date.parse(deadline) - Date.now();
}

/** A step that is at work at the limit has this long to end; then the workflow cancels it, ms. */
export const WORKFLOW_GRACE_MS = 60_000;

/** A task that keeps its site shut for so long past its limit is held by something: the watchdog opens the site, ms. */
export const WATCHDOG_GRACE_MS = 120_000;
