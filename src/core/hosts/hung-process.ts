import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { RunningProcess } from './processes';

/** How often who wants to be seen alive has to let its main thread wait for something, ms. */
export const LIFE_SIGN_MS = 200;

interface Seen {
  readonly sign: string;
  /** How often it was looked at since without anything new. */
  looks: number;
  readonly since: number;
}

/** Fewer looks prove nothing: who looks may have been stopped itself in between. */
const LOOKS = 8;

/**
 * Tells processes that do not run any more (stopped, frozen, in an endless loop, waiting for a disk that is gone) from those that
 * do: the main thread of a Node process with a timer goes to sleep several times a second, and the kernel counts that.
 */
export class HungProcesses {
  private readonly seen = new Map<string, Seen>();

  constructor(private readonly afterMs: number) {}

  /** Looks at a process; true once it has shown no sign of life for the time given. */
  async look({ pid, started }: RunningProcess): Promise<boolean> {
    const key = `${pid} ${started}`;
    const sign = await lifeSignOf(pid);
    const before = this.seen.get(key);
    // One that has ended holds nobody up.
    if (sign === null || before?.sign !== sign) {
      this.seen.set(key, { sign: sign ?? '', looks: 0, since: performance.now() });
      return false;
    }
    before.looks += 1;
    return before.looks >= LOOKS && performance.now() - before.since >= this.afterMs;
  }
}

/** Null for a process that has ended. */
async function lifeSignOf(pid: number): Promise<string | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => null);
  return status && (/^voluntary_ctxt_switches:\t(\d+)/m.exec(status)?.[1] ?? null);
}
