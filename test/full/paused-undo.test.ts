import { describePausedWorkers } from '../helpers/paused-worker-suite';

jest.setTimeout(90 * 60_000);

// What visitors notice is among it.
describePausedWorkers('undo', [
  'switchBack rename',
  'putVhostBack putVhostBack',
  'liftFence lowerFence',
  'leaveMaintenance lowerMaintenance',
]);

describePausedWorkers('finishing', [
  'endMaintenance lowerMaintenance',
  'discardPrevious removeTree',
  'discardReplacedDatabase dropDatabase',
]);
