import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/cli/exit-codes';
import { ERROR_CODES, type ErrorCode } from '../../src/contract/error-codes';

const TOP = join(__dirname, '../..');
const errorsPage = readFileSync(join(TOP, 'docs/errors.md'), 'utf8');
const readme = readFileSync(join(TOP, 'README.md'), 'utf8');
const documented = entriesOf(errorsPage);
const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('docs/errors.md', () => {
  it('has an entry for each code of the table, and no other', () => {
    expect([...documented.keys()].sort()).toEqual([...CODES].sort());
  });

  it.each(CODES)('%s: exit code, whether it is tried again, meaning and what to do are those of the table', (code) => {
    const { exit, permanent, meaning, hint } = ERROR_CODES[code];
    const first = `Exit code ${exit}, ${permanent ? 'permanent' : 'tried again'}. ${capitalised(meaning)}.`;
    const [firstParagraph, secondParagraph] = documented.get(code) ?? [];
    expect(firstParagraph).toBe(first);
    expect(secondParagraph).toBe(hint);
  });
});

describe.each([
  ['docs/errors.md', errorsPage],
  ['README.md', readme],
])('the exit codes of %s', (_name, text) => {
  it('are those a command can end with', () => {
    const rows = exitCodesOf(text);
    const real = new Set([...Object.values(EXIT), ...CODES.map((code) => ERROR_CODES[code].exit)]);
    expect(rows.map(([exit]) => exit)).toEqual([...real].sort((a, b) => a - b));
  });
});

it('both pages give the exit codes the same meaning', () => {
  expect(exitCodesOf(readme)).toEqual(exitCodesOf(errorsPage));
});

/** Heading of the third level → its paragraphs, each on one line. */
function entriesOf(page: string): Map<string, string[]> {
  const entries = new Map<string, string[]>();
  for (const part of page.split(/^### /m).slice(1)) {
    const [heading = '', ...rest] = part.split(/^## /m)[0]?.split('\n') ?? [];
    const paragraphs = rest.join('\n').trim().split(/\n\n+/);
    entries.set(
      heading.trim(),
      paragraphs.map((paragraph) => paragraph.replaceAll('\n', ' ')),
    );
  }
  return entries;
}

function exitCodesOf(page: string): [number, string][] {
  const section = /^## Exit codes\n(.*?)(?=^## |(?![^]))/ms.exec(page)?.[1] ?? '';
  return [...section.matchAll(/^\| *(\d+) *\| *(.*?) *\|$/gm)].map(([, exit, meaning]) => [
    Number(exit),
    meaning ?? '',
  ]);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
