import { KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';

/** One server that hangs must not keep the site from what the others can give back, ms. */
const LIMIT_MS = 60_000;

/**
 * Ends work that takes longer than a minute; what does not even hear of its end is not waited for.
 * @throws KedgeError ProgramTimedOut; whatever `work` throws
 */
export async function withinLimit(
  operation: Operation,
  work: (operation: Operation) => Promise<unknown>,
): Promise<void> {
  const limit = new AbortController();
  const reached = new Promise<never>((_resolve, reject) => {
    const { signal } = limit;
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const timer = setTimeout(
    () => limit.abort(new KedgeError('ProgramTimedOut', `not done within ${LIMIT_MS / 1000} s`)),
    LIMIT_MS,
  );
  const working = work({ ...operation, signal: AbortSignal.any([operation.signal, limit.signal]) });
  working.catch(() => undefined);
  try {
    await Promise.race([working, reached]);
  } finally {
    clearTimeout(timer);
  }
}
