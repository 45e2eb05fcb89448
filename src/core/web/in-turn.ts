const turns = new Map<string, Promise<unknown>>();

/**
 * Does `work` when everything asked for under the same key before has ended: within this process one thing at a time
 * happens to a web server's configuration.
 */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(key) ?? Promise.resolve();
  const mine = before.then(work);
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  turns.set(key, settled);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === settled) turns.delete(key);
  }
}
