import type { Family, Labels, Sample } from './exposition';

/** One change of a metric. */
export interface Update {
  readonly name: string;
  readonly help: string;
  /** A counter grows by its value, a gauge takes it, a histogram counts it. */
  readonly type: Family['type'];
  readonly labels: Labels;
  readonly value: number;
  /** Upper bounds of the buckets of a histogram, as at its first update. */
  readonly bounds?: readonly number[];
}

interface Series {
  readonly labels: Labels;
  /** Of a histogram the sum. */
  value: number;
  /** Of a histogram: how many fell into each bucket, the last without a bound. */
  readonly buckets: number[];
}

interface Metric extends Pick<Update, 'help' | 'type'> {
  readonly bounds: readonly number[];
  readonly series: Map<string, Series>;
}

/** Metrics that grow in this process, and begin at nothing with it. */
export class Totals {
  private readonly metrics = new Map<string, Metric>();

  /** Passed over are an update of another type than the first one of its name, and new labels where a metric has a thousand already. */
  take({ name, help, type, labels, value, bounds = [] }: Update): void {
    const metric = this.metrics.get(name) ?? { help, type, bounds, series: new Map<string, Series>() };
    this.metrics.set(name, metric);
    if (metric.type !== type) return;
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => a.localeCompare(b)));
    if (metric.series.size >= MAXIMUM_SERIES && !metric.series.has(key)) return;
    const series = metric.series.get(key) ?? { labels, value: 0, buckets: metric.bounds.map(() => 0).concat(0) };
    metric.series.set(key, series);
    series.value = type === 'gauge' ? value : series.value + value;
    if (type !== 'histogram') return;
    const bucket = metric.bounds.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? metric.bounds.length : bucket;
    series.buckets[index] = (series.buckets[index] ?? 0) + 1;
  }

  /** By their names. */
  families(): Family[] {
    return [...this.metrics]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, { help, type, bounds, series }]) => ({
        ...{ name, help, type },
        samples: [...series.values()].flatMap((one): Sample[] =>
          type === 'histogram' ? histogramOf(one, bounds) : [{ labels: one.labels, value: one.value }],
        ),
      }));
  }
}

/** Labels may say what others chose: the type of a workflow, by whoever reaches Temporal. */
const MAXIMUM_SERIES = 1000;

/** Each bucket counts what is below it too. */
function histogramOf({ labels, value, buckets }: Series, bounds: readonly number[]): Sample[] {
  let count = 0;
  const samples = buckets.map((inBucket, index): Sample => {
    count += inBucket;
    const le = index < bounds.length ? String(bounds[index]) : '+Inf';
    return { suffix: '_bucket', labels: { ...labels, le }, value: count };
  });
  return [...samples, { suffix: '_sum', labels, value }, { suffix: '_count', labels, value: count }];
}
