import { setTimeout as delay } from 'node:timers/promises';
import type { Family } from './exposition';

export interface CollectorOptions {
  /** How long what was read is told, ms: whoever asks more often has nothing read. */
  readonly freshMs: number;
  /** How long whoever asks waits for what is being read, ms. */
  readonly patienceMs: number;
  /** Told why it could not be read. */
  readonly onProblem: (text: string) => void;
}

/** What a part of the metrics tells now. */
export interface Collected {
  readonly families: readonly Family[];
  /** False where it could not be read, or not in time: then the values are those of before, if any. */
  readonly success: boolean;
}

/**
 * A part of the metrics that is read when somebody asks: not again soon after, never twice at one time, and nobody waits long for it. A disk that
 * hangs, or a large catalogue that is read for the first time, holds back no other part.
 */
export class Collector {
  private reading: Promise<void> | null = null;
  /** Null families: it failed. */
  private last: { readonly atMs: number; readonly families: readonly Family[] | null } | null = null;

  constructor(
    readonly name: string,
    private readonly read: () => Promise<readonly Family[]>,
    private readonly options: CollectorOptions,
  ) {}

  /** Throws nothing. */
  async collect(): Promise<Collected> {
    const { freshMs, patienceMs } = this.options;
    let inTime = true;
    if (this.last === null || performance.now() - this.last.atMs > freshMs) {
      this.reading ??= this.readNow().finally(() => (this.reading = null));
      inTime = await settlesWithin(this.reading, patienceMs);
    }
    const families = this.last?.families ?? null;
    return { families: families ?? [], success: inTime && families !== null };
  }

  private async readNow(): Promise<void> {
    const families = await this.read().catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      this.options.onProblem(`${this.name} cannot be measured: ${why}`);
      return null;
    });
    this.last = { atMs: performance.now(), families };
  }
}

async function settlesWithin(work: Promise<void>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const late = delay(ms, false, { signal: over.signal, ref: false }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
}
