import { PausedWorkers } from '../helpers/paused-worker';

/*
 * A worker that is stopped right before each act of each activity of a restore, of its undo and of what follows the commit, and wakes
 * at another later moment each time: after the first call of its successor, the second, …, or in the middle of the next task.
 */

jest.setTimeout(40 * 60_000);

/** More than there are calls behind any activity: in the next task. */
const IN_THE_NEXT_TASK = 99;

let workers: PausedWorkers;
beforeAll(async () => {
  workers = await PausedWorkers.start();
});
afterAll(() => workers?.stop());

it('stopped before any act, woken at any later moment: the site is right, and nothing is left', async () => {
  const stops: string[] = [];
  let turn = 0;
  for (const at of workers.activities()) {
    for (let act = 1, stoppedAt: string | null = ''; stoppedAt !== null; act += 1) {
      turn += 1;
      const successor = at.part === 'forward' && turn % 2 === 0 ? 'undoes' : 'finishes';
      // Every third time in the next task; else soon, and a little later each time.
      const wakesAfter = turn % 3 === 0 ? IN_THE_NEXT_TASK : 1 + (turn % 5);
      const pause = { ...at, act, successor, wakesAfter } as const;
      stoppedAt = await workers.prove(pause).catch((error: unknown) => {
        throw new Error(`${JSON.stringify(pause)}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      });
      if (stoppedAt !== null) stops.push(`${at.activity} ${stoppedAt}`);
    }
  }
  // What visitors notice is among it.
  expect(stops).toEqual(
    expect.arrayContaining([
      'enterMaintenance raiseMaintenance',
      'fenceWrites raiseFence',
      'switchSite rename',
      'reloadWebServer writeVhost',
      'commitSwitch commit',
      'commitSwitch save',
      'switchBack rename',
      'putVhostBack putVhostBack',
      'liftFence lowerFence',
      'leaveMaintenance lowerMaintenance',
      'endMaintenance lowerMaintenance',
      'discardPrevious removeTree',
      'discardReplacedDatabase dropDatabase',
    ]),
  );
});
