import { CORPUS } from '../helpers/archives/corpus';
import { PLAIN } from '../helpers/archives/hostile-archive';
import { REAL_PROGRAMS, unpackedBy } from '../helpers/archives/real-programs';
import { SOUND } from '../helpers/archives/sound';
import { END } from '../helpers/archives/tar-blocks';

jest.setTimeout(600_000);

/** The corpus proves something where real programs do not agree on what they are given. */
describe(`archives on which real programs disagree (${REAL_PROGRAMS.join(', ')})`, () => {
  /** Paths longer than Node can look at. */
  const CASES = CORPUS.filter(({ name }) => !name.includes('4096 bytes'));
  let answers: Record<string, string>[];
  beforeAll(async () => {
    answers = await unpackedBy([Buffer.concat([SOUND, PLAIN, END]), ...CASES.map(({ bytes }) => bytes(SOUND))]);
  });
  const differs = (answer: Record<string, string> = {}): boolean => new Set(Object.values(answer)).size > 1;

  it('there are several of them, and on what is plain they agree', () => {
    expect(REAL_PROGRAMS.length).toBeGreaterThanOrEqual(3);
    expect(Object.keys(answers[0] ?? {})).toEqual(REAL_PROGRAMS);
    expect(differs(answers[0])).toBe(false);
    expect(answers[0]?.['GNU tar']).toContain('"plain" file 640 1234 2345');
  });

  it.each(CASES.flatMap(({ name, differential }, at) => (differential ? [[name, at + 1] as const] : [])))(
    '%s',
    (_name, at) => expect(differs(answers[at])).toBe(true),
  );

  it('of all that are to be refused, they disagree on more than the half', () => {
    const refused = CASES.flatMap(({ expected }, at) => ('refused' in expected ? [answers[at + 1]] : []));
    expect(refused.filter(differs).length).toBeGreaterThan(refused.length / 2);
  });
});
