import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MasterParts } from './composition';
import { printable } from './contract/printable';
import { createCatalog } from './core/catalog/file-catalog';
import { type Endpoint, type EndpointAddress, openEndpoint } from './core/metrics/endpoint';
import { EndedTasks } from './core/metrics/ended-tasks';
import { type Family, exposition } from './core/metrics/exposition';
import { MasterMetrics } from './core/metrics/master-metrics';
import { Totals } from './core/metrics/totals';
import type { SdkMetrics } from './temporal/sdk-metrics';

export interface WorkerMetricsOptions {
  readonly listen: EndpointAddress;
  readonly about: { readonly master: string; readonly version: string };
  readonly parts: Pick<MasterParts, 'configuration' | 'journals' | 'leases' | 'master' | 'redact'>;
  /** Null where another worker of this process has them. */
  readonly sdk: SdkMetrics | null;
  /** Told, once each, what an administrator is to know. */
  readonly tell: (text: string) => void;
  /** Default {@link TRY_AGAIN_AFTER_MS}. */
  readonly tryAgainAfterMs?: number;
}

/** Another worker of the master may have the port until it ends, ms. */
const TRY_AGAIN_AFTER_MS = 5_000;
const SDK_INTERVAL_MS = 1_000;

/**
 * Answers Prometheus for a worker until it is closed. Where the address cannot be had the worker does without, says so once, and tries
 * again: backups matter more than their numbers, and the worker before this one leaves its port when it ends.
 */
export class WorkerMetrics {
  private readonly stop = new AbortController();
  private readonly told = new Set<string>();
  private readonly sdkTotals = new Totals();
  private readonly taking: NodeJS.Timeout;
  private readonly serving: Promise<void>;

  constructor(private readonly options: WorkerMetricsOptions) {
    this.taking = setInterval(() => this.takeSdk(), SDK_INTERVAL_MS).unref();
    this.serving = this.serve().catch((error: unknown) => this.tellOnce(`the metrics ended: ${String(error)}`));
  }

  /** Closes the endpoint, and connections with it. */
  async close(): Promise<void> {
    clearInterval(this.taking);
    this.stop.abort();
    await this.serving;
  }

  private async serve(): Promise<void> {
    const { parts } = this.options;
    const master = this.masterMetrics();
    const ended = new EndedTasks(parts.journals);
    // Only who serves counts: two that count the same tasks would be added up.
    let begun: Promise<void> | null = null;
    const text = async (): Promise<string> => {
      try {
        await (begun ??= ended.begin());
        this.takeSdk();
        const families = [this.about(), ...(await master.families()), ...(await ended.families())];
        return exposition([...families, ...this.sdkTotals.families()]);
      } catch (error) {
        this.tellOnce(`the metrics could not be gathered: ${String(error)}`);
        throw error;
      }
    };
    const endpoint = await this.open(text);
    if (endpoint === null) return;
    try {
      await (begun ??= ended.begin());
      // The first look at a large catalogue takes a while, and goes on behind this.
      void master.families();
      await untilAborted(this.stop.signal);
    } finally {
      await endpoint.close();
      ended.end();
    }
  }

  /** Null when it is closed before the address is free. */
  private async open(text: () => Promise<string>): Promise<Endpoint | null> {
    const { listen, tryAgainAfterMs = TRY_AGAIN_AFTER_MS } = this.options;
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        return await openEndpoint(listen, text);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.tellOnce(`no metrics are served: ${why}. The worker goes on, and tries again`);
        await delay(tryAgainAfterMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    return null;
  }

  private masterMetrics(): MasterMetrics {
    const { parts } = this.options;
    return new MasterMetrics(
      {
        ...{ master: parts.master, journals: parts.journals, leases: parts.leases },
        // A file that somebody writes in now stops no numbers.
        catalog: async () => createCatalog((await parts.configuration.lastGood()).backups, parts.master),
        async configuration() {
          const { sites, backups, state, spool = join(state, 'spool') } = await parts.configuration.lastGood();
          return { sites: Object.keys(sites), backups, folders: { backups, state, spool } };
        },
      },
      { onProblem: (text) => this.tellOnce(text) },
    );
  }

  private takeSdk(): void {
    for (const update of this.options.sdk?.updates() ?? []) this.sdkTotals.take(update);
  }

  private about(): Family {
    const samples = [{ labels: this.options.about, value: 1 }];
    return { name: 'kedge_build_info', type: 'gauge', help: 'Which Kedge answers, and of which master.', samples };
  }

  private tellOnce(text: string): void {
    if (this.told.has(text)) return;
    this.told.add(text);
    this.options.tell(printable(this.options.parts.redact(text)));
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
