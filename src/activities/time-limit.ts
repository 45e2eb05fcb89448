import { KedgeError } from '../contract/errors';
import type { Operation } from '../core/operation';
import type { Journal } from '../core/tasks/journal';

const INTERVAL_MS = 1_000;
/** Without progress for so long, an attempt that has outlasted its maintenance is given up. */
const STALLED_MS = 30_000;

/** When the task must be out of maintenance; null when it keeps nobody waiting. */
function deadlineOf({ maintenance }: Journal): Date | null {
  return maintenance === null || maintenance.foundOn ? null : new Date(maintenance.deadline);
}

/** @throws KedgeError MaintenanceLimitReached when no step begins any more */
export function assertInTime(journal: Journal, step: string): void {
  const deadline = deadlineOf(journal);
  if (deadline !== null && deadline <= new Date())
    throw limitReached(journal, deadline, `${step} does not begin any more`);
}

/**
 * Does the work of a step. Past the deadline it may end as long as it makes progress; its signal is aborted when it makes
 * none: a server may let a program wait for ever. @throws KedgeError MaintenanceLimitReached then
 */
export async function inTime<T>(
  journal: Journal,
  step: string,
  operation: Operation,
  work: (operation: Operation) => Promise<T>,
): Promise<T> {
  const deadline = deadlineOf(journal);
  if (deadline === null) return work(operation);
  const limit = new AbortController();
  let bytes: number | undefined;
  let movedAt = Date.now();
  const watch = setInterval(() => {
    if (Date.now() < deadline.getTime() || Date.now() - movedAt < STALLED_MS) return;
    limit.abort(limitReached(journal, deadline, `${step} makes no progress`));
  }, INTERVAL_MS);
  try {
    return await work({
      ...operation,
      signal: AbortSignal.any([operation.signal, limit.signal]),
      progress: (progress) => {
        if (progress.bytes !== bytes) movedAt = Date.now();
        bytes = progress.bytes;
        operation.progress(progress);
      },
    });
  } finally {
    clearInterval(watch);
  }
}

function limitReached({ site }: Journal, deadline: Date, what: string): KedgeError {
  const message = `${site} was to be in maintenance until ${deadline.toISOString()}; ${what}`;
  return new KedgeError('MaintenanceLimitReached', message, { site });
}
