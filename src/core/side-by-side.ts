/**
 * Waits for pieces of work that were begun together. All have settled before a failure is thrown, that of the first in the order
 * given: nobody goes on while one of them still runs.
 */
export async function sideBySide<const Work extends readonly unknown[]>(
  work: readonly [...Work],
): Promise<{ -readonly [Each in keyof Work]: Awaited<Work[Each]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
