import { type TestOperation, testOperation } from './operation';

/** Each of these turns of the event loop is tried, then fewer and fewer. */
const EACH_OF_TURNS = 40;
const MOST_TURNS = 20_000_000;

/**
 * Cancels work at one turn of the event loop after another, until it ends before it is cancelled. It must throw the reason, and
 * nothing else may fail: an error of a stream without a listener fails the test by itself.
 */
export async function cancelAtEachTurn(work: (operation: TestOperation) => Promise<unknown>): Promise<void> {
  const reason = new Error('no longer wanted');
  let turns = 0;
  for (
    let isDone = false;
    !isDone && turns < MOST_TURNS;
    turns = Math.ceil(turns < EACH_OF_TURNS ? turns + 1 : turns * 1.25)
  ) {
    const operation = testOperation();
    let isOver = false;
    const ended = work(operation)
      .then(
        () => 'done' as const,
        (error: unknown) => error,
      )
      .finally(() => (isOver = true));
    for (let turn = 0; turn < turns && !isOver; turn += 1) await new Promise(setImmediate);
    operation.cancel(reason);
    const end = await ended;
    if (end !== 'done') expect(end).toBe(reason);
    isDone = end === 'done';
    // What fails without a listener is told in the turn behind this one.
    await new Promise(setImmediate);
  }
  // Otherwise it was never seen to its end.
  expect(turns).toBeLessThan(MOST_TURNS);
}
