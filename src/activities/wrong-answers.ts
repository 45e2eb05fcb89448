import { monotonicMs } from '../core/clock';
import { runningActivity } from './running-activity';

/** A site that starts up, or warms a cache, answers otherwise by then, ms. */
const FINAL_AFTER_MS = 20_000;

/**
 * Since when each running probe has been answered in the same wrong way, as far as this worker saw. Another wrong answer
 * begins anew: something is still going on there.
 */
export class WrongAnswers {
  private readonly since = new Map<string, { readonly answer: string; readonly at: number }>();

  constructor(readonly finalAfterMs = FINAL_AFTER_MS) {}

  /** Notes a wrong answer to the running probe. True when it has been the same for so long that it stays so. */
  isFinal(answer: string): boolean {
    const probe = runningActivity();
    const known = this.since.get(probe);
    if (known?.answer === answer) {
      if (monotonicMs() - known.at < this.finalAfterMs) return false;
      this.since.delete(probe);
      return true;
    }
    this.since.set(probe, { answer, at: monotonicMs() });
    return false;
  }

  /** The running probe was answered rightly, or not at all. */
  forget(): void {
    this.since.delete(runningActivity());
  }
}
