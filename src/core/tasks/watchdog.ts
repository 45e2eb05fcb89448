import type { Operation } from '../operation';
import { type OnlineParts, bringOnline } from './bring-online';
import type { Journal } from './journal';

/**
 * Ends maintenance that outlasted its limit while Temporal was away: nobody else would. A restore whose switch has begun
 * and is not committed is left to its workflow, or to a person. `operationFor` gives the work for a task.
 */
export async function endOverdueMaintenance(
  parts: OnlineParts,
  temporalAnswers: () => Promise<boolean>,
  operationFor: (task: string) => Operation,
): Promise<void> {
  const now = new Date();
  const overdue: Journal[] = [];
  for (const journal of await parts.journals.open()) {
    if (!isOverdue(journal, now)) continue;
    // An epoch that cannot be read says nothing against ending maintenance.
    const epoch = await parts.epochs.current(journal.site).catch(() => 0);
    if (epoch <= journal.epoch) overdue.push(journal);
  }
  if (overdue.length === 0 || (await temporalAnswers())) return;
  const takeOver = { by: 'the worker', why: 'its maintenance limit passed while Temporal was away' };
  for (const { site, task } of overdue) {
    const operation = operationFor(task);
    try {
      for (const { problems } of await bringOnline(parts, site, takeOver, operation))
        for (const problem of problems) operation.log.warn(problem);
    } catch (error) {
      operation.signal.throwIfAborted();
      // One site must not keep the others shut.
      operation.log.warn(
        `${site} could not be brought online: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

function isOverdue({ maintenance, switched, committed }: Journal, now: Date): boolean {
  if (!maintenance || maintenance.ended !== null || maintenance.foundOn) return false;
  return new Date(maintenance.deadline) < now && (!switched || committed);
}
