import { setTimeout as delay } from 'node:timers/promises';
import type { TaskLogLine } from '../core/tasks/task-log';
import type { Parts } from './parts';

const POLL_INTERVAL_MS = 300;

/**
 * The lines of a task's log, from the first on: those there are, or with `follow` those until the task has ended.
 * @throws KedgeError TaskUnknown
 */
export async function* readTaskLog(
  { logs, journals }: Pick<Parts, 'logs' | 'journals'>,
  task: string,
  { follow }: { readonly follow: boolean },
): AsyncGenerator<TaskLogLine, void> {
  for (let offset = 0; ;) {
    const ended = !follow || (await journals.get(task)).outcome !== null;
    const { lines, next } = await logs.read(task, offset);
    const progressed = next > offset;
    offset = next;
    yield* lines;
    if (ended && !progressed) return;
    if (!progressed) await delay(POLL_INTERVAL_MS);
  }
}
