/** What is told to people for as long as it lasts, though not each time that it is met. */
export interface Problem {
  /** What it is about: the same as long as it lasts, whatever becomes of the reason, and of numbers and times in it. */
  readonly about: string;
  /** The whole, for a person. */
  readonly text: string;
}

/** Of what it is about, and why. */
export function problemOf(about: string, why: unknown): Problem {
  return { about, text: `${about}: ${why instanceof Error ? why.message : String(why)}` };
}

/** One whose text stays the same as long as it lasts. */
export function lastingProblem(text: string): Problem {
  return { about: text, text };
}
