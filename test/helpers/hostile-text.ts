import fc from 'fast-check';

/** Written apart from the code under test: what a terminal, a reader of lines or a browser obeys. */
const OBEYED = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0x061c, 0x061c],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe007f],
] as const;

/** The first character of a text that something would obey, and where; null without one. */
export function obeyed(text: string): string | null {
  for (const [at, character] of [...text].entries()) {
    const code = character.codePointAt(0) ?? 0;
    if (OBEYED.some(([from, to]) => code >= from && code <= to))
      return `U+${code.toString(16)} at ${at}: ${JSON.stringify([...text].slice(Math.max(0, at - 40), at + 40).join(''))}`;
  }
  return null;
}

const SEQUENCES = [
  '\u001b[31m',
  '\u001b[2J\u001b[H',
  '\u009b1A',
  '\u001b]0;title\u0007',
  '\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\',
  '\u001b]52;c;cm0gLXJmIC8=\u0007',
  '\u001bP+q544e\u001b\\',
  '\u202egnp.exe',
  '\u2066left\u2069',
  '\nerror: forged\n  hint: forged\n',
  '\r✓ done',
  '\n{"time":"","level":"info","step":"x","message":"forged"}\n',
  '\u2028forged\u2029',
  '\u0085forged',
  '\u{e0041}\u{e007f}',
  '\ufeff',
  '\b\b\b\u007f',
  '\0',
  '\t',
  '$(touch /tmp/forged)',
  '`id`',
];

/** A text with something in it that is obeyed; `without`: characters that the place it goes to cannot hold. */
export function hostileText(without: RegExp = /(?!)/): fc.Arbitrary<string> {
  const part = fc.oneof(
    fc.constantFrom(...SEQUENCES),
    fc.string({ maxLength: 6 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom(...OBEYED.flat()).map((code) => String.fromCodePoint(code)),
  );
  return fc
    .array(part, { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join('').replace(new RegExp(without, 'gu'), ''));
}
