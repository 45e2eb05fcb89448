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
  ['raiseMaintenance', { part: 'forward', activity: 'enterMaintenance', act: 2, successor: 'undoes', wakesAfter: 1 }],
  // The account is unlocked by then, and the site shown.
  ['raiseFence', { part: 'forward', activity: 'fenceWrites', act: 2, successor: 'undoes', wakesAfter: 2 }],
  // The folder of the site is away, and the new one is not there yet.
  ['rename', { part: 'forward', activity: 'switchSite', act: 3, successor: 'undoes', wakesAfter: 3 }],
  // In the middle of the next task, which has the page up.
  ['hold', { part: 'undo', activity: 'leaveMaintenance', act: 3, successor: 'undoes', wakesAfter: 99 }],
])('before %s, as in %o', async (stoppedAt, pause) => {
  expect(await workers.prove(pause)).toBe(stoppedAt);
});
