import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A small wrong change, and the tests that must not pass with it. */
export interface Plant {
  /** What is wrong then. No other plant has the same. */
  readonly name: string;
  /** File of the code. */
  readonly file: string;
  /** Stands once in the file. */
  readonly text: string;
  readonly instead: string;
  /** Files of tests, one of which fails at least. */
  readonly caughtBy: readonly string[];
  /** What names of tests match, where not all of the files are needed. */
  readonly named?: string;
  /** Why no test catches it, for one that is known to survive. */
  readonly survives?: string;
}

/** Tests of these folders run what the build makes. */
const RUNS_THE_BUILD = /^test\/(workflows|e2e|replay|packaging|full)\//;

export function needsBuild({ caughtBy }: Plant): boolean {
  return caughtBy.some((file) => RUNS_THE_BUILD.test(file));
}

/** The file of a plant with the change in it. @throws Error for a plant that can no longer be made */
export function planted(top: string, { name, file, text, instead }: Plant): string {
  const before = readFileSync(join(top, file), 'utf8');
  const places = before.split(text).length - 1;
  if (places !== 1) throw new Error(`${name}: its text stands ${places} times in ${file}`);
  return before.replace(text, () => instead);
}

/** What is wrong with plants themselves, a sentence each: code that was changed, tests that are gone. */
export function problemsOf(top: string, plants: readonly Plant[]): string[] {
  const names = plants.map(({ name }) => name);
  const problems = names.filter((name, at) => names.indexOf(name) !== at).map((name) => `${name}: named twice`);
  for (const plant of plants) {
    if (plant.text === plant.instead) problems.push(`${plant.name}: changes nothing`);
    for (const file of plant.caughtBy)
      if (!existsSync(join(top, file))) problems.push(`${plant.name}: there is no ${file}`);
    try {
      planted(top, plant);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  return problems;
}
