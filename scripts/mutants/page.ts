import type { Plant } from './plant';
import type { Result } from './results';

/** What stands in docs/reliability.md above this is of others. */
export const HEADING = '## Planted changes';

export interface Tried {
  readonly plant: Plant;
  readonly result: Result;
}

/** The part of docs/reliability.md that tells what became of plants. */
export function sectionOf(tried: readonly Tried[], all: number, seed: number, commit: string): string {
  const rows = [...foldersOf(tried)].map(
    ([folder, { planted, survived }]) => `| ${folder} | ${planted} | ${planted - survived} | ${survived} |`,
  );
  const survivors = tried
    .filter(({ result }) => result.outcome === 'survived')
    .map(({ plant }) => `- ${plant.file}: ${plant.name}. ${plant.survives ?? 'Not known yet why.'}`);
  return `${HEADING}

Written by \`npm run mutants -- --seed ${seed} --count ${tried.length} --write\`, ${new Date().toISOString().slice(0, 10)}, commit ${commit}: ${tried.length} of ${all}
small wrong changes were planted one at a time into a copy of the code, and the tests named beside each in
\`scripts/mutants/table.ts\` were run.

| folder | planted | caught | survived |
| --- | --- | --- | --- |
${rows.join('\n')}

${survivors.length === 0 ? 'None survived.' : `Those that survive:\n\n${survivors.join('\n')}`}
`;
}

function foldersOf(tried: readonly Tried[]): Map<string, { planted: number; survived: number }> {
  const folders = new Map<string, { planted: number; survived: number }>();
  for (const { plant, result } of tried) {
    const folder = /^src\/(?:core\/)?[^/]+/.exec(plant.file)?.[0] ?? plant.file;
    const { planted, survived } = folders.get(folder) ?? { planted: 0, survived: 0 };
    folders.set(folder, { planted: planted + 1, survived: survived + (result.outcome === 'survived' ? 1 : 0) });
  }
  return new Map([...folders].sort(([a], [b]) => a.localeCompare(b)));
}

/** A page with another section in the place of its own, or behind what it has. */
export function withSection(page: string, section: string): string {
  const [before = ''] = page.split(`\n${HEADING}\n`);
  return `${before.trimEnd()}\n\n${section}`;
}

/** The section that a page has; empty where it has none. */
export function sectionIn(page: string): string {
  const at = page.indexOf(`\n${HEADING}\n`);
  return at < 0 ? '' : page.slice(at + 1);
}
