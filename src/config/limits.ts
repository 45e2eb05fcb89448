import { availableParallelism } from 'node:os';
import type { Configuration } from './schema';

/** As many as the machine has processors: more would not be done sooner, and each keeps its site waiting for longer. */
const DEFAULT_LIMIT = Math.max(2, availableParallelism());

/** How many heavy tasks of each kind run at one time. */
export function leaseLimitsOf({ limits }: Configuration): { backups: number; restores: number } {
  return { backups: limits.backups ?? DEFAULT_LIMIT, restores: limits.restores ?? DEFAULT_LIMIT };
}
