import type { RunningStep } from '../../client';

/** What is seen sooner tells too little of how fast a step goes. */
const SEEN_FOR_MS = 2_000;

interface Sight {
  readonly atMs: number;
  readonly bytes: number;
}

/** How long steps still take, by how fast they have gone since they were first seen. */
export class TimeLeft {
  private readonly first = new Map<string, Sight>();

  /** Ms; null while the whole is not known, or nothing tells how fast it goes. `nowMs` is of a clock that nobody sets. */
  of({ step, attempt, progress: { bytes, totalBytes } }: RunningStep, nowMs: number): number | null {
    if (bytes === undefined) return null;
    const key = `${step} ${attempt}`;
    const first = this.first.get(key);
    // A step may begin anew with another file: then what was seen before tells nothing.
    if (first === undefined || bytes < first.bytes) this.first.set(key, { atMs: nowMs, bytes });
    if (first === undefined || totalBytes === undefined || totalBytes < bytes) return null;
    const [passedMs, moved] = [nowMs - first.atMs, bytes - first.bytes];
    return passedMs < SEEN_FOR_MS || moved <= 0 ? null : ((totalBytes - bytes) * passedMs) / moved;
  }
}
