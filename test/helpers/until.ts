import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition, asking often. @throws Error when it has not come true within the time, ms */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await delay(10);
  }
}
