import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import { setAttention } from './visibility';

/** Runs work that must end; when it does not in time, the search attribute KedgeAttention names the step it hangs in. */
export async function withAttention<T>(
  afterMs: number,
  work: (nameStep: (name: string) => void) => Promise<T>,
): Promise<T> {
  let step = '';
  let raised = false;
  const timer = new CancellationScope();
  const waiting = timer
    .run(async () => {
      await sleep(afterMs, { summary: 'Ask somebody to look when this takes longer' });
      raised = true;
      setAttention(step);
    })
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  try {
    return await work((name) => {
      step = name;
      if (raised) setAttention(step);
    });
  } finally {
    timer.cancel();
    await waiting;
    if (raised) setAttention(null);
  }
}
