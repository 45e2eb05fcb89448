import fc from 'fast-check';
import { ToldWarnings, jsonBytes, shortened } from '../../src/contract/payload-bounds';
import { hostileText } from '../helpers/hostile-text';

const limits = fc.integer({ min: 80, max: 400 });
const text = fc.oneof(hostileText(), fc.string({ unit: 'binary', maxLength: 500 }), fc.string({ maxLength: 500 }));

test('a text that is cut takes no more bytes than it may, in JSON, and says how much it lacks', () => {
  fc.assert(
    fc.property(text, limits, (given, limit) => {
      const short = shortened(given, limit);
      expect(jsonBytes(short)).toBeLessThanOrEqual(limit);
      const [, kept = short, lacking = 0] = /^([^]*)… \((\d+) more characters\)$/.exec(short) ?? [];
      expect(given.startsWith(kept)).toBe(true);
      if (short !== given) expect(kept.length + Number(lacking)).toBe(given.length);
    }),
  );
});

test('a text that fits stays as it is, to the byte', () => {
  fc.assert(fc.property(text, (given) => expect(shortened(given, Math.max(62, jsonBytes(given) * 3))).toBe(given)));
  expect(shortened('x'.repeat(98), 100)).toBe('x'.repeat(98));
  expect(shortened('x'.repeat(99), 100)).toMatch(/^x+… \(\d+ more characters\)$/);
  expect(shortened('"'.repeat(49), 100)).toBe('"'.repeat(49));
});

test('warnings of many steps are the first twenty and how many more there were', () => {
  const told = new ToldWarnings();
  told.addAll({ warnings: Array.from({ length: 15 }, (_, index) => `a${index}`) });
  expect(told.sentences('t')).toHaveLength(15);
  told.addAll({ warnings: Array.from({ length: 6 }, (_, index) => `b${index}`), moreWarnings: 80_000 });
  expect(told.sentences('t').slice(19)).toEqual(['b4', '80001 more warnings: see `kedge log t`']);
});
