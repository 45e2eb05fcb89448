import { type Pause, PausedWorkers } from '../helpers/paused-worker';

/*
 * A worker that is stopped right before an act, and wakes when its successor has undone or finished the task, or in the middle of
 * the next one. The whole matrix is in the full tests.
 */

jest.setTimeout(240_000);

let workers: PausedWorkers;
beforeAll(async () => {
  workers = await PausedWorkers.start();
});
afterAll(() => workers?.stop());

it.each<[string, Pause]>([
  [
    'rename',
    // The folder of the site is away, and the new one is not there yet.
    { part: 'forward', activity: 'switchSite', act: 3, successor: 'undoes', wakesAfter: 3 },
  ],
  ['raiseFence', { part: 'forward', activity: 'fenceWrites', act: 2, successor: 'finishes', wakesAfter: 99 }],
  ['hold', { part: 'forward', activity: 'enterMaintenance', act: 1, successor: 'undoes', wakesAfter: 99 }],
  ['hold', { part: 'undo', activity: 'leaveMaintenance', act: 3, successor: 'undoes', wakesAfter: 99 }],
])('before %s, as in %o', async (stoppedAt, pause) => {
  expect(await workers.prove(pause)).toBe(stoppedAt);
});
