import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { SdkMetrics } from './sdk-metrics';

let installed = false;

/** Sets Temporal's native side up, once a process: quiet, and without signal handlers of its own. */
export function installRuntime(metrics: SdkMetrics | null = null): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'off' }, ...(metrics === null ? {} : { metrics: metrics.exporter }) },
    shutdownSignals: [],
  });
}
