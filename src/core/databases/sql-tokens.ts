/** A word, a quoted name or text, or a single other character of a statement, with where it stands. */
export interface SqlToken {
  readonly kind: 'word' | 'quoted' | 'symbol';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Doubled quotes and backslashes do not end it. */
function stringPattern(quote: string): string {
  return String.raw`${quote}[^${quote}\\]*(?:(?:\\[\s\S]|${quote}${quote})[^${quote}\\]*)*(?:${quote}|$)`;
}

const TOKEN = new RegExp(
  [
    String.raw`\s+|/\*M?!\d*|\*/|/\*(?!M?!)[\s\S]*?(?:\*/|$)|--(?:[ \t][^\n]*)?(?:\n|$)|#[^\n]*`,
    String.raw`(\x60[^\x60]*(?:\x60\x60[^\x60]*)*(?:\x60|$)|${stringPattern("'")}|${stringPattern('"')})`,
    String.raw`([\w$\x80-\xff]+)`,
    String.raw`([\s\S])`,
  ].join('|'),
  'gy',
);

/**
 * The tokens of a statement in latin1, one character a byte. White space and comments are left out; the marks around what
 * a server executes in `/*!50003 … *\/` are too, their content is not.
 */
export function* sqlTokens(statement: string): Generator<SqlToken, undefined> {
  for (const match of statement.matchAll(TOKEN)) {
    const [text, quoted, word, symbol] = match;
    const kind = quoted !== undefined ? 'quoted' : word !== undefined ? 'word' : symbol !== undefined ? 'symbol' : null;
    if (kind) yield { kind, text, start: match.index, end: match.index + text.length };
  }
  return undefined;
}

/** The name a token stands for, decoded as UTF-8. */
export function nameOf(token: SqlToken): string {
  const { text } = token;
  const quote = token.kind === 'quoted' ? text.slice(0, 1) : '';
  const inner = quote === '' ? text : text.slice(1, -1).replaceAll(quote + quote, quote);
  return Buffer.from(inner, 'latin1').toString('utf8');
}
