import { availableParallelism } from 'node:os';
import type { Configuration } from './schema';

/** As many as the machine has processors: more would not be done sooner, and each keeps its site waiting for longer. */
const DEFAULT_LIMIT = Math.max(2, availableParallelism());

/** On another machine, of which nobody knows how much it does at one time. */
const DEFAULT_LIMIT_OF_SERVER = 2;

/** How many heavy tasks of each kind run at one time, in all and on each server that is another machine. */
export function leaseLimitsOf({ limits, servers }: Pick<Configuration, 'limits' | 'servers'>): {
  backups: number;
  restores: number;
  servers: Record<string, number>;
} {
  const others = Object.entries(servers).filter(([, { ssh }]) => ssh !== undefined);
  return {
    backups: limits.backups ?? DEFAULT_LIMIT,
    restores: limits.restores ?? DEFAULT_LIMIT,
    servers: Object.fromEntries(others.map(([name, { limit }]) => [name, limit ?? DEFAULT_LIMIT_OF_SERVER])),
  };
}
