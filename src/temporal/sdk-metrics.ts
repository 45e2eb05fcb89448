import { MetricsBuffer } from '@temporalio/worker';

/** A change of one of the SDK's own metrics, as Prometheus names them. */
export interface SdkUpdate {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: Readonly<Record<string, string>>;
  /** A counter's increase; of durations seconds. */
  readonly value: number;
  readonly bounds: readonly number[];
}

/**
 * What Temporal's SDK counts about the worker. It is handed over rather than served by the SDK's own endpoint, which would be a second port,
 * and one that nothing closes or moves before the process ends.
 */
export class SdkMetrics {
  private readonly buffer = new MetricsBuffer({ maxBufferSize: MAXIMUM_UPDATES, useSecondsForDurations: true });

  /** For the runtime, which takes it once a process. */
  get exporter(): { readonly buffer: MetricsBuffer } {
    return { buffer: this.buffer };
  }

  /** All since the last call; to be called about every second, or some are lost. */
  *updates(): Generator<SdkUpdate> {
    for (const { metric, value, attributes } of this.buffer.retrieveUpdates()) {
      // The SDK itself has none that go up and down by steps.
      if (metric.kind === 'up-down-counter') continue;
      const type = metric.kind;
      const labels = Object.entries(attributes).map(([label, text]) => [nameOf(label), String(text)] as const);
      yield {
        name: nameOf(metric.name) + suffixOf(metric.name, type, metric.unit),
        help: metric.description || 'Of the Temporal SDK.',
        type,
        labels: Object.fromEntries(labels),
        value,
        bounds: SECONDS,
      };
    }
  }
}

/** A busy worker makes some thousands a second. */
const MAXIMUM_UPDATES = 50_000;
/** Upper bounds: a workflow task, up to a poll that waits for a minute, and a step that takes hours. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

function nameOf(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

/** As the SDK's own endpoint would add them where it is told to. */
function suffixOf(name: string, type: SdkUpdate['type'], unit: string | undefined): string {
  if (type === 'counter') return name.endsWith('_total') ? '' : '_total';
  return type === 'histogram' && unit === 's' && !name.endsWith('_seconds') ? '_seconds' : '';
}
