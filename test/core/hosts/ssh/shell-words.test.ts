import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { shellLine } from '../../../../src/core/hosts/ssh/shell-words';

/** What a shell makes of a line: the words that a program is given. */
function wordsOf(shell: string, words: readonly string[]): string[] {
  const line = shellLine(['printf', '%s\\0', ...words]);
  const said = execFileSync(shell, ['-c', line], { encoding: 'utf8', cwd: '/' });
  return said.split('\0').slice(0, -1);
}

const odd = fc.string({
  unit: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...`'"\\$\`!*?[]{}()<>|&;#~=%^ \t\n\r-`) },
    { weight: 1, arbitrary: fc.constantFrom('a', '0', 'ü', '漢', '💾', '\u0001', '\u007f', '\u00a0', '\u2028') },
  ),
  maxLength: 30,
});

test.each(['dash', 'bash'])('%s gives a program exactly the words, whatever they hold', (shell) => {
  fc.assert(
    fc.property(fc.array(odd, { minLength: 1, maxLength: 5 }), (words) => {
      expect(wordsOf(shell, words)).toEqual(words);
    }),
    { numRuns: 200 },
  );
});

test.each([[''], ["'"], ["''"], ['$(id)'], ['`id`'], ['~'], ['~root'], ['*'], ['a=b'], ['-n'], ['\n'], ['#'], ['!!']])(
  'the word %j stays one',
  (word) => {
    expect(wordsOf('sh', [word, 'next'])).toEqual([word, 'next']);
  },
);

test('a program whose name looks like an assignment is a program', () => {
  expect(() => execFileSync('sh', ['-c', shellLine(['A=b', 'true'])], { stdio: 'ignore' })).toThrow();
});

test('twice wrapped is twice unwrapped', () => {
  expect(wordsOf('sh', [shellLine(["it's", '$HOME'])])).toEqual([`'it'\\''s' '$HOME'`]);
});

test('a NUL, which no program can be given, is refused', () => {
  expect(() => shellLine(['a\0b'])).toThrow(TypeError);
});
