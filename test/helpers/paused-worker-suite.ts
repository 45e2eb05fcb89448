import { SEED_OF_TODAY, partOfToday } from './part-of-today';
import { type Pause, PausedWorkers } from './paused-worker';

/** More than there are calls behind any activity: in the next task. */
const IN_THE_NEXT_TASK = 99;

/**
 * A worker that is stopped right before each act of each activity of a part of a restore, and wakes at another later moment each time:
 * after the first call of its successor, the second, …, or in the middle of the next task. `seen`: stops that are among them. Half of the
 * activities a day.
 */
export function describePausedWorkers(part: Pause['part'], seen: readonly string[]): void {
  describe(`${part}: a worker that is stopped`, () => {
    let workers: PausedWorkers;
    beforeAll(async () => {
      workers = await PausedWorkers.start();
    });
    afterAll(() => workers?.stop());

    it(`KEDGE_SEED=${SEED_OF_TODAY}: before any act, and woken at any later moment, changes nothing: the site is right, and nothing is left`, async () => {
      const stops: string[] = [];
      let turn = 0;
      const activities = partOfToday(workers.activities(part), 2);
      for (const activity of activities) {
        for (let act = 1, stoppedAt: string | null = ''; stoppedAt !== null; act += 1) {
          turn += 1;
          const successor = part === 'forward' && turn % 2 === 0 ? 'undoes' : 'finishes';
          // Every third time in the next task; else soon, and a little later each time.
          const wakesAfter = turn % 3 === 0 ? IN_THE_NEXT_TASK : 1 + (turn % 5);
          const pause = { part, activity, act, successor, wakesAfter } as const;
          stoppedAt = await workers.prove(pause).catch((error: unknown) => {
            throw new Error(`${JSON.stringify(pause)}: ${error instanceof Error ? error.message : String(error)}`, {
              cause: error,
            });
          });
          if (stoppedAt !== null) stops.push(`${activity} ${stoppedAt}`);
        }
      }
      const ofToday = seen.filter((stop) => activities.some((activity) => stop.startsWith(`${activity} `)));
      expect(ofToday.length).toBeGreaterThan(0);
      expect(stops).toEqual(expect.arrayContaining(ofToday));
    });
  });
}
