import { describePausedWorkers } from '../helpers/paused-worker-suite';

jest.setTimeout(90 * 60_000);

// What visitors notice is among it.
describePausedWorkers('forward', [
  'enterMaintenance raiseMaintenance',
  'fenceWrites raiseFence',
  'switchSite rename',
  'reloadWebServer writeVhost',
  'commitSwitch commit',
  'commitSwitch save',
]);
