import fc from 'fast-check';
import { markdownText, printable, printableJson, printableLines } from '../../src/contract/printable';
import { hostileText, obeyed } from '../helpers/hostile-text';

it.each<[string, string, string]>([
  ['an escape sequence', '\u001b[2J', '\\u001b[2J'],
  ['one of a single character of C1', '\u009b2J', '\\u009b2J'],
  ['a title or link by OSC', '\u001b]8;;http://a\u0007b', '\\u001b]8;;http://a\\u0007b'],
  ['a line of its own', 'a\r\nerror: b', 'a\\r\\nerror: b'],
  ['a line by Unicode', 'a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
  ['letters back to front', 'gpj.\u202ephp', 'gpj.\\u202ephp'],
  ['what nobody sees', 'a\u200bb\ufeffc\u{e0041}d', 'a\\u200bb\\ufeffc\\u{e0041}d'],
  ['half a character', 'a\ud800b', 'a\\ud800b'],
  ['what is to be deleted', 'a\u007f\bb', 'a\\u007f\\u0008b'],
])('%s is shown', (_, text, shown) => {
  expect(printable(text)).toBe(shown);
});

it('what people write stays as it is', () => {
  for (const text of ['before the update', 'Grüße, 日本語, עברית, فارسی', '👩‍👩‍👧 می‌خواهم', '100 % "a" \\u001b'])
    expect(printable(text)).toBe(text);
});

it('of whatever text nothing is obeyed, and twice is as once', () => {
  fc.assert(
    fc.property(hostileText(), (text) => {
      expect(obeyed(printable(text))).toBeNull();
      expect(printable(printable(text))).toBe(printable(text));
      expect(printableLines(text).join('')).toBe(printable(text.replaceAll('\n', '')));
    }),
  );
});

it('JSON stays the same document, in lines of its own alone', () => {
  fc.assert(
    fc.property(hostileText(), hostileText(), fc.constantFrom(undefined, 2), (key, text, indent) => {
      const document = { [key]: [text, { [text]: 1 }], number: 1, nothing: null };
      const json = printableJson(document, indent);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(document)));
      expect(obeyed(json.replaceAll('\n', ''))).toBeNull();
      if (indent === undefined) expect(json).not.toContain('\n');
    }),
  );
  expect(printableJson(undefined)).toBe('null');
});

it('in Markdown a text neither links nor formats', () => {
  const text = '[a](http://b) **c** `d` <img src=x> www.e.example f@g.example\n# h';
  expect(markdownText(text)).toBe(
    '\\[a\\]\\(http\\://b\\) \\*\\*c\\*\\* \\`d\\` \\<img src\\=x\\> www\\.e.example f\\@g.example\\\\n\\# h',
  );
  expect(markdownText('- a')).toBe('\\- a');
  expect(markdownText('1. a')).toBe('1\\. a');
  expect(markdownText('before the update, 2nd try - done.')).toBe('before the update, 2nd try - done.');
});
