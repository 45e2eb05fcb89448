import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEADING, sectionIn, sectionOf, withSection } from '../../scripts/mutants/page';
import { type Plant, needsBuild, planted, problemsOf } from '../../scripts/mutants/plant';
import { PLANTS } from '../../scripts/mutants/table';
import { TreeCopy } from '../../scripts/mutants/tree-copy';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-plants-');
  writeFileSync(join(folder, 'code.ts'), "if (a === b) throw new Error('$&');\nif (c === d) return;\n");
  writeFileSync(join(folder, 'code.test.ts'), '');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function plant(changes: Partial<Plant> = {}): Plant {
  const name = 'anything is equal';
  return { name, file: 'code.ts', text: 'a === b', instead: '$& true', caughtBy: ['code.test.ts'], ...changes };
}

it('a plant is made where its text stands, as it stands there', () => {
  expect(planted(folder, plant())).toBe("if ($& true) throw new Error('$&');\nif (c === d) return;\n");
});

it.each<[string, Partial<Plant>, string]>([
  ['whose text is gone', { text: 'e === f' }, 'anything is equal: its text stands 0 times in code.ts'],
  ['whose text stands twice', { text: ' === ' }, 'anything is equal: its text stands 2 times in code.ts'],
  ['that changes nothing', { instead: 'a === b' }, 'anything is equal: changes nothing'],
  ['whose test is gone', { caughtBy: ['gone.test.ts'] }, 'anything is equal: there is no gone.test.ts'],
])('a plant %s is told', (_what, changes, problem) => {
  expect(problemsOf(folder, [plant(changes)])).toEqual([problem]);
});

it('every plant of the table can be made', () => {
  expect(problemsOf(join(__dirname, '../..'), PLANTS)).toEqual([]);
});

it('two plants have two names', () => {
  expect(problemsOf(folder, [plant(), plant()])).toEqual(['anything is equal: named twice']);
});

it('tests of workflows need a build, those of core none', () => {
  expect(needsBuild(plant({ caughtBy: ['test/workflows/backup.test.ts'] }))).toBe(true);
  expect(needsBuild(plant({ caughtBy: ['test/core/archive/judging.test.ts'] }))).toBe(false);
});

it('a file of a copy is changed for as long as the work takes, and that of the tree never', async () => {
  const copy = TreeCopy.make(folder);
  try {
    const before = planted(folder, plant());
    const seen = await copy.changed('code.ts', 'changed', async () =>
      readFileSync(join(copy.folder, 'code.ts'), 'utf8'),
    );
    expect(seen).toBe('changed');
    await expect(copy.changed('code.ts', 'changed', () => Promise.reject(new Error('cut off')))).rejects.toThrow();
    expect(planted(copy.folder, plant())).toBe(before);
    expect(planted(folder, plant())).toBe(before);
  } finally {
    copy.remove();
  }
});

it('the page of reliability keeps what is above the section, and the section what is in it', () => {
  const tried = [
    { plant: plant({ file: 'src/core/web/stamp.ts' }), result: { name: '', outcome: 'caught', seconds: 1 } as const },
    {
      plant: plant({ file: 'src/core/web/proof.ts', survives: 'It is the same.' }),
      result: { name: '', outcome: 'survived', seconds: 1 } as const,
    },
  ];
  const section = sectionOf(tried, 5, 7, 'abc');
  expect(section).toContain('| src/core/web | 2 | 1 | 1 |');
  expect(section).toContain('- src/core/web/proof.ts: anything is equal. It is the same.');
  const page = withSection('# Reliability\n\nOf chaos.\n', section);
  expect(withSection(page, section)).toBe(page);
  expect(sectionIn(page)).toBe(section);
  expect(page.startsWith(`# Reliability\n\nOf chaos.\n\n${HEADING}\n`)).toBe(true);
  expect(sectionIn('# Reliability\n')).toBe('');
});
