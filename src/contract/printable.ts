/**
 * What a terminal, a pager, a log reader or a browser obeys or hides instead of showing it: control characters of ASCII and of
 * ISO 8859-1 (C0, C1), separators of lines and paragraphs, marks that change the direction of text, invisible characters and tags,
 * and halves of surrogate pairs. Joiners (U+200C, U+200D) belong to scripts and emoji, and stay.
 */
const OBEYED =
  /[\p{Cc}\p{Cs}\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e007f}]/gu;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A text that is not our own, such as a file name, a description or what a program said, as one line that shows all and commands
 * nothing: what would be obeyed stands there as `\u001b`. Doing it twice changes nothing more.
 */
export function printable(text: string): string {
  return text.replace(OBEYED, (character) => SHORT[character] ?? codePoint(character));
}

/** As {@link printable}, line by line: for texts that have several, such as an error with one problem a line. */
export function printableLines(text: string): string[] {
  return text.split('\n').map(printable);
}

/** JSON in which nothing is obeyed either, as the same document. `indent`: spaces; without it one line. */
export function printableJson(document: unknown, indent?: number): string {
  // Outside of its strings JSON has but line breaks of these characters.
  return (JSON.stringify(document, null, indent) ?? 'null').replace(OBEYED, (character) =>
    character === '\n' ? character : jsonEscape(character),
  );
}

/** A text that is not our own, within Markdown: it is shown as it stands, and neither links nor formats. */
export function markdownText(text: string): string {
  return printable(text)
    .replace(/[\\`*_{}[\]()#+!|<>~&:@$=]/g, '\\$&')
    .replace(/^(\s*\d*)([.-])/, '$1\\$2')
    .replace(/www\./gi, (match) => `${match.slice(0, -1)}\\.`);
}

function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : jsonEscape(character);
}

function jsonEscape(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
