import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../clock';

const POLL_MS = 50;
/** Old workers of a web server answer for a moment after a reload: as many answers in a row come from new ones only. */
const ANSWERS_IN_A_ROW = 3;

/** Waits until `isLoaded` holds several times in a row. False when it does not within the limit. */
export async function waitUntilLoaded(
  isLoaded: () => Promise<boolean>,
  limitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = monotonicMs() + limitMs;
  let inARow = 0;
  for (;;) {
    inARow = (await isLoaded()) ? inARow + 1 : 0;
    if (inARow >= ANSWERS_IN_A_ROW) return true;
    if (monotonicMs() > deadline) return false;
    await delay(POLL_MS, undefined, { signal });
  }
}
