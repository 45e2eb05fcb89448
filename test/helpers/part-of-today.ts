/** Another one each day; KEDGE_SEED repeats that of another day. */
export const SEED_OF_TODAY = Number(process.env['KEDGE_SEED'] ?? Math.floor(Date.now() / 86_400_000));

/** One of so many parts of a list: `part` 0, 1, … name parts that have nothing in common, and each of them is another one the next day. */
export function partOfToday<T>(all: readonly T[], parts: number, part = 0): T[] {
  return all.filter((_each, at) => (at + SEED_OF_TODAY) % parts === part);
}
