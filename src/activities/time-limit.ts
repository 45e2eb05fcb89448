import { KedgeError } from '../contract/errors';
import { monotonicMs } from '../core/clock';
import type { Operation } from '../core/operation';
import type { Journal } from '../core/tasks/journal';
import { shutFor } from '../core/tasks/maintenance-limit';

const INTERVAL_MS = 1_000;
/** Without progress for so long, an attempt that has outlasted its maintenance is given up. */
const STALLED_MS = 30_000;

/** @throws KedgeError MaintenanceLimitReached when no step begins any more */
export function assertInTime(journal: Journal, step: string): void {
  if ((shutFor(journal) ?? 1) <= 0) throw limitReached(journal, `${step} does not begin any more`);
}

/**
 * Does the work of a step. Past the limit it may end as long as it makes progress; its signal is aborted when it makes
 * none: a server may let a program wait for ever. @throws KedgeError MaintenanceLimitReached then
 */
export async function inTime<T>(
  journal: Journal,
  step: string,
  operation: Operation,
  work: (operation: Operation) => Promise<T>,
): Promise<T> {
  if (shutFor(journal) === null) return work(operation);
  const limit = new AbortController();
  let bytes: number | undefined;
  let movedAt = monotonicMs();
  const watch = setInterval(() => {
    if ((shutFor(journal) ?? 1) > 0 || monotonicMs() - movedAt < STALLED_MS) return;
    limit.abort(limitReached(journal, `${step} makes no progress`));
  }, INTERVAL_MS);
  try {
    return await work({
      ...operation,
      signal: AbortSignal.any([operation.signal, limit.signal]),
      progress: (progress) => {
        if (progress.bytes !== bytes) movedAt = monotonicMs();
        bytes = progress.bytes;
        operation.progress(progress);
      },
    });
  } finally {
    clearInterval(watch);
  }
}

function limitReached({ site, maintenance }: Journal, what: string): KedgeError {
  const message = `${site} was to be in maintenance until ${maintenance?.deadline}; ${what}`;
  return new KedgeError('MaintenanceLimitReached', message, { site });
}
