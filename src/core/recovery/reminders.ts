import type { Problem } from './problem';

/** What stays as it is is told again after this. */
const AGAIN_AFTER_MS = 24 * 3_600_000;

/**
 * Which problems are told of what is looked at again and again: those that are new by what they are about, and each once a day while it
 * stays. Another reason for the same is nothing new.
 */
export class Reminders {
  private told = new Map<string, number>();

  /** Those to be told. `problems`: all there are now. `now`: ms, of a clock that never goes back. */
  due(problems: readonly Problem[], now: number): Problem[] {
    const before = this.told;
    const isDue = ({ about }: Problem): boolean => now - (before.get(about) ?? -Infinity) >= AGAIN_AFTER_MS;
    this.told = new Map(
      problems.map((problem) => [problem.about, isDue(problem) ? now : (before.get(problem.about) ?? now)]),
    );
    return problems.filter(isDue);
  }
}
