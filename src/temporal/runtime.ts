import { DefaultLogger, Runtime } from '@temporalio/worker';

let installed = false;

/** Sets Temporal's native side up, once a process: quiet, and without signal handlers of its own. */
export function installRuntime(): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'off' } },
    shutdownSignals: [],
  });
}
