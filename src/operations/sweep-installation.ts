import type { Operation } from '../core/operation';
import type { Parts } from './parts';

/**
 * Removes what closed tasks and crashes left behind, as the worker does every hour. What belongs to a task is noted in its log too.
 * Says what was removed; what is left is for the checks to say.
 */
export async function sweepInstallation(
  { sweeper, logs }: Pick<Parts, 'sweeper' | 'logs'>,
  operation: Operation,
): Promise<readonly string[]> {
  const taskLogs = new Map<string, ReturnType<typeof logs.of>>();
  const { removed } = await sweeper.sweep((task) => {
    if (task === null) return operation;
    const log = taskLogs.get(task) ?? logs.of(task, 'sweep', 1);
    taskLogs.set(task, log);
    return { ...operation, log };
  });
  for (const log of taskLogs.values()) await log.settled();
  return removed;
}
