import type { KedgeError } from '../../contract/errors';
import type { Seen } from './settle';

/** Whether tasks can begin with the configuration as it is now. `problem`: why not; null where they can. */
export function judgeConfiguration(problem: KedgeError | null, now: Date): Seen {
  if (problem === null) return { key: 'configuration', over: 'tasks begin again: the configuration is right' };
  const { code, message, hint } = problem;
  return {
    key: 'configuration',
    condition: {
      ...{ event: 'configuration-broken', site: null, task: null, code, hint },
      message: `no task can begin: ${message}`,
      since: now.toISOString(),
      identity: code,
    },
  };
}
