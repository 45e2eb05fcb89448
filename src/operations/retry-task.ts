import type { KedgeClient } from '../client';
import type { Configuration } from '../config/schema';
import { findOpenTask } from './find-task';
import type { Parts } from './parts';

export interface Retried {
  readonly task: string;
  /** Steps that begin their next attempt now; none where none waited for one. */
  readonly steps: readonly string[];
}

/**
 * Has a task, by its id or by its site, try again at once what failed and waits for its next attempt: its machine is back, say.
 * @throws KedgeError TaskUnknown for none, or one that has ended; TemporalUnreachable
 */
export async function retryTask(
  parts: Pick<Parts, 'journals'>,
  configuration: Pick<Configuration, 'sites'>,
  client: () => Promise<KedgeClient>,
  name: string,
): Promise<Retried> {
  const { task, site, workflowId, runId } = await findOpenTask(parts, configuration, name);
  const { temporal } = await client();
  const { retryNow } = await import('../temporal/retry.js');
  const steps = await retryNow(temporal, workflowId, runId).catch(async (error: unknown) => {
    const { kedgeErrorOf } = await import('../temporal/failures.js');
    throw kedgeErrorOf(error, site);
  });
  return { task, steps };
}
