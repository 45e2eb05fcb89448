import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { MAXIMUM_PAYLOAD_BYTES, jsonBytes } from '../contract/payload-bounds';
import { monotonicMs } from '../core/clock';
import type { ActivityDependencies } from './dependencies';

/** Longest wait for lines that may be asked for, ms. */
export const LONGEST_WAIT_MS = 20_000;
/** Lines come in bursts: who waits is given those of so long together, ms. */
const GATHERED_MS = 3_000;
const LOOK_MS = 250;
const PAGE_BYTES = 64 * 1024;
/** More of them would take the places of steps that do something: they are answered at once. */
const MOST_WAITING = 20;

export const logPageSchema = z.strictObject({
  task: z.string().max(300),
  offset: z.int().nonnegative(),
  /** How long to wait for lines where there are none, ms. Default 0. */
  waitMs: z.int().min(0).max(LONGEST_WAIT_MS).optional(),
});

/** Lines of a log, what to ask for next, and whether the task had ended before they were read. */
export interface LogPage {
  lines: object[];
  next: number;
  ended: boolean;
}

/** Pages of the logs of tasks, for who follows one from elsewhere. */
export class LogPages {
  private waiting = 0;

  constructor(private readonly deps: Pick<ActivityDependencies, 'journals' | 'logs'>) {}

  /** @throws KedgeError TaskUnknown; the signal's reason */
  async read({ task, offset, waitMs = 0 }: z.infer<typeof logPageSchema>, signal: AbortSignal): Promise<LogPage> {
    if (waitMs === 0 || this.waiting >= MOST_WAITING) return this.page(task, offset);
    this.waiting += 1;
    try {
      const began = monotonicMs();
      for (;;) {
        const page = await this.page(task, offset);
        const waited = monotonicMs() - began;
        if (page.ended || waited >= waitMs || (page.lines.length > 0 && waited >= GATHERED_MS)) return page;
        await delay(LOOK_MS, undefined, { signal });
      }
    } finally {
      this.waiting -= 1;
    }
  }

  private async page(task: string, offset: number): Promise<LogPage> {
    const { outcome } = await this.deps.journals.get(task);
    for (let bytes = PAGE_BYTES; ; bytes = Math.floor(bytes / 4)) {
      const { lines, next } = await this.deps.logs.read(task, offset, bytes);
      // What cannot be read takes more room in a page than in the log.
      if (jsonBytes(lines) <= MAXIMUM_PAYLOAD_BYTES) return { lines, next, ended: outcome !== null };
    }
  }
}
