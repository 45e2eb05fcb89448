/** What stays as it is is told again after this. */
const AGAIN_AFTER_MS = 24 * 3_600_000;

/** Which problems are told of searches that come every hour: those that are new, and each once a day while it stays. */
export class Reminders {
  private told = new Map<string, number>();

  /** Those to be told. `problems`: all there are now. `now`: ms, of a clock that never goes back. */
  due(problems: readonly string[], now: number): string[] {
    const before = this.told;
    const isDue = (problem: string): boolean => now - (before.get(problem) ?? -Infinity) >= AGAIN_AFTER_MS;
    this.told = new Map(problems.map((problem) => [problem, isDue(problem) ? now : (before.get(problem) ?? now)]));
    return problems.filter(isDue);
  }
}
