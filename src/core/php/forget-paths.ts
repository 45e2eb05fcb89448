import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { SiteLocation } from '../../contract/target';
import { monotonicMs } from '../clock';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { withPhpScript } from './php-script';
import { readPhpCode } from './php-code';

/** A request of a page of PHP ends within; the site's own visitors see the maintenance page meanwhile. */
const LIMIT_MS = 5_000;
const PAUSE_MS = 50;
/** So many requests at one time. */
const REQUESTS = 128;

const SCRIPT = readPhpCode(join(__dirname, 'forget-paths.php'));
const answerSchema = z.strictObject({ worker: z.int(), workers: z.array(z.int()) });

/**
 * Has each worker of the site's FPM forget where paths lead. Each remembers that by itself, for two minutes
 * (`realpath_cache_ttl`): where a link or a file lay in the place of a folder it would go on finding that. `workers` are those to
 * be asked, by process ID. A request goes to whichever is idle, so as many are sent as there are workers left, and each is held
 * until none of those is idle. Returns how many were busy all the time, after 5 s.
 * @throws KedgeError ProbeFailed when PHP does not answer; the signal's reason
 */
export async function forgetPaths(
  place: { readonly host: Host; readonly flags: string },
  site: SiteLocation,
  workers: readonly number[],
  operation: Operation,
): Promise<number> {
  const left = new Set(workers);
  if (left.size === 0) return 0;
  const deadline = monotonicMs() + LIMIT_MS;
  return withPhpScript(
    place,
    site,
    { code: SCRIPT, answer: answerSchema },
    async (ask) => {
      for (;;) {
        const request = { workers: [...left].slice(0, REQUESTS) };
        const answers = await Promise.all(request.workers.map(() => ask(request)));
        // The site's own PHP answers in their place.
        if (answers.every((answer) => answer === null)) return left.size;
        for (const answer of answers) {
          if (answer === null) continue;
          left.delete(answer.worker);
          // Who was ended remembers nothing.
          const living = new Set(answer.workers);
          for (const worker of left) if (!living.has(worker)) left.delete(worker);
        }
        if (left.size === 0 || monotonicMs() > deadline) return left.size;
        await delay(PAUSE_MS, undefined, { signal: operation.signal });
      }
    },
    operation,
  );
}
