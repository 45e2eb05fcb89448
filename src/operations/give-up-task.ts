import type { KedgeClient } from '../client';
import { KedgeError } from '../contract/errors';
import type { Operation } from '../core/operation';
import { abandonTask } from '../core/recovery/abandon';
import type { TakeOver } from '../core/recovery/bring-online';
import type { Journal } from '../core/tasks/journal';
import { ANSWER_WITHIN_MS, breakGlassLocks } from './break-glass';
import type { TakeOverParts } from './parts';

export interface GivenUp {
  /** True for one that was given up before; only its workflow was left to be ended. */
  readonly before: boolean;
  readonly problems: readonly string[];
  /** What is left, where it was made at all, for a person to remove. */
  readonly leftovers: readonly string[];
}

/**
 * Gives up a task whose undo cannot finish, with Temporal up or down: brings its site back, closes its journal, and ends its
 * workflow. `tell` hears which process is waited for.
 * @throws KedgeError TaskUnknown for one that has ended; HostUnreachable for a machine that does not answer; what taking the site over throws
 */
export async function giveUpTask(
  parts: TakeOverParts,
  client: () => Promise<KedgeClient>,
  journal: Journal,
  takeOver: TakeOver & { readonly machineIsGone: boolean },
  operation: Operation,
  tell: (message: string) => void,
): Promise<GivenUp> {
  const { task, site, outcome } = journal;
  if (outcome) {
    // One whose workflow goes on was given up while Temporal was away.
    if ((await endWorkflowOf(client, journal, takeOver, operation)) !== 'ended')
      throw new KedgeError('TaskUnknown', `${task} has ended: ${outcome.status}`, { site });
    return { before: true, problems: [], leftovers: [] };
  }
  const locks = breakGlassLocks(parts.locks, tell);
  const abandoned = await abandonTask({ ...parts, locks }, journal, takeOver, operation);
  // Behind the journal: what it leaves would else be recovered.
  const workflow = await endWorkflowOf(client, journal, takeOver, operation);
  const problems = [...parts.redact(abandoned.problems, site)];
  if (workflow === 'unknown')
    problems.push(
      `Temporal does not answer: should the workflow of ${task} still be there, \`kedge abandon ${task}\` ends it once Temporal is back`,
    );
  return { before: false, problems, leftovers: abandoned.leftovers };
}

/** Ends the workflow of a task whose journal is closed: nothing is left for it to undo, and something may hold it for good. */
async function endWorkflowOf(
  client: () => Promise<KedgeClient>,
  { workflowId, runId }: Journal,
  { by, why }: TakeOver,
  operation: Operation,
): Promise<'ended' | 'was over' | 'unknown'> {
  const { endRun } = await import('../temporal/foreign-workflows.js');
  try {
    const { temporal } = await client();
    const end = (): Promise<boolean> => endRun(temporal, workflowId, runId, `${why} (${by})`);
    return (await temporal.withDeadline(Date.now() + ANSWER_WITHIN_MS, end)) ? 'ended' : 'was over';
  } catch (error) {
    operation.log.info(String(error));
    return 'unknown';
  }
}
