/** A word, a quoted name or text, or a single other character of a statement, with where it stands. */
export interface SqlToken {
  readonly kind: 'word' | 'quoted' | 'symbol';
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The mark of the executable comment it stands in, when only some servers execute that one: `!80016`, `M!100616`. */
  readonly onlyIn?: string;
}

/** How the server reads text at this place of a dump. */
export interface Lexis {
  /** A backslash in quotes takes the next character along: not with NO_BACKSLASH_ESCAPES. */
  readonly backslashEscapes: boolean;
  /** Double quotes are around names. */
  readonly ansiQuotes: boolean;
  /** What a byte from 0x80 on may mean outside of quotes. */
  readonly highBytes: HighBytes;
}

/**
 * UTF-8 and binary text have no white space there; Latin alphabets have one, 0xA0; of others Kedge does not know, and
 * in some a second byte may look like a backslash or a quote.
 */
export type HighBytes =
  'letters' | 'letters and a space' | 'unknown' | 'unknown, with second bytes that look like ASCII';

export const PLAIN_LEXIS: Lexis = { backslashEscapes: true, ansiQuotes: false, highBytes: 'letters' };

/** The tokens of a statement. */
export interface SqlText {
  readonly tokens: readonly SqlToken[];
  /** Why client and server, or two servers, may read the text differently; undefined when they cannot. */
  readonly unclear: string | undefined;
}

/** Every server that Kedge knows executes what stands in a comment up to this version: MySQL 5.6, MariaDB 10. */
const EXECUTED_BY_ALL = 50_600;

/** White space, comments, quotes, words. `escaping` are the quotes in which a backslash takes the next character along. */
function tokenPattern(escaping: string): RegExp {
  const inside = (quote: string): string =>
    escaping.includes(quote)
      ? String.raw`[^${quote}\\]*(?:(?:\\[\s\S]|${quote}${quote})[^${quote}\\]*)*`
      : `[^${quote}]*(?:${quote}${quote}[^${quote}]*)*`;
  return new RegExp(
    [
      String.raw`[ \t\n\v\f\r]+`,
      String.raw`(/\*M?!\d*)`,
      String.raw`(\*/)`,
      String.raw`(/\*[\s\S]*?(?:\*/|$)|--(?=[ \t\n\v\f\r]|$)[^\n]*|#[^\n]*)`,
      String.raw`(\x60[^\x60]*(?:\x60\x60[^\x60]*)*(?:\x60|$)|'${inside("'")}(?:'|$)|"${inside('"')}(?:"|$))`,
      String.raw`([A-Za-z0-9_$\x80-\xff]+)`,
      String.raw`([\s\S])`,
    ].join('|'),
    'g',
  );
}

const PATTERNS = { both: tokenPattern(`'"`), single: tokenPattern("'"), none: tokenPattern('') };

/**
 * Reads a statement in latin1, one character a byte, as a server does. White space and comments are left out; the marks
 * around what a server executes in `/*!50003 … *\/` are too, their content is not.
 */
export function readSql(statement: string, lexis: Lexis = PLAIN_LEXIS): SqlText {
  const tokens: SqlToken[] = [];
  let unclear: string | undefined;
  /** The executable comment that is open. */
  let open: { mark: string; byAll: boolean; at: number } | undefined;
  const pattern = !lexis.backslashEscapes ? PATTERNS.none : lexis.ansiQuotes ? PATTERNS.single : PATTERNS.both;
  for (const match of statement.matchAll(pattern)) {
    const [text, opening, closing, comment, quoted, word, symbol] = match;
    const start = match.index;
    const end = start + text.length;
    let problem: string | undefined;
    let kind: SqlToken['kind'] | undefined;
    if (opening !== undefined) {
      const version = /\d*$/.exec(opening)?.[0] ?? '';
      if (open) problem = 'an executable comment in another';
      if (version !== '' && !/^[1-9]\d{4,5}$/.test(version)) problem = `the version of ${opening}`;
      open = {
        mark: opening.slice(2),
        at: end,
        byAll: version === '' ? !opening.includes('M') : !opening.includes('M') && Number(version) <= EXECUTED_BY_ALL,
      };
    } else if (closing !== undefined) {
      if (open) open = undefined;
      else problem = 'the end of a comment that did not begin';
    } else if (comment !== undefined) {
      problem = unclearComment(comment, open !== undefined && !open.byAll);
      if (open && comment.startsWith('/*') && !statement.slice(open.at, end).includes('\n'))
        problem ??= unclearBehindComment(statement, end);
    } else if (quoted !== undefined) {
      kind = 'quoted';
      problem = unclearQuotes(quoted, open !== undefined && !open.byAll, lexis);
    } else if (word !== undefined) {
      kind = 'word';
      problem = unclearWord(word, lexis);
    } else if (symbol !== undefined) {
      kind = 'symbol';
      if (symbol === '\\') {
        if (statement[end] !== 'N') problem = 'a backslash outside of quotes';
      } else if (symbol < ' ' || symbol === '\x7f') problem = 'a control character';
      else if (symbol === '-' && statement[end] === '-' && /[^ -~\t\n\v\f\r]/.test(statement[end + 1] ?? ' ')) {
        problem = 'dashes before a control character';
      }
    }
    unclear ??= problem;
    if (kind) tokens.push({ kind, text, start, end, ...(open && !open.byAll ? { onlyIn: open.mark } : {}) });
  }
  if (open) unclear ??= 'a comment that does not end';
  return { tokens, unclear };
}

/** Where a comment is read as text by some servers, they look for its end alone: nothing in it may hide one. */
function unclearComment(comment: string, inDoubt: boolean): string | undefined {
  if (inDoubt) return 'a comment in an executable one';
  if (comment.startsWith('/*') && (comment.length < 4 || !comment.endsWith('*/'))) return 'a comment that does not end';
  if (comment.startsWith('/*+')) return 'a comment for the optimizer';
  if (comment.startsWith('/*') && /\/\*M?!/.test(comment)) return 'an executable comment in a comment';
  return comment.includes('\0') ? 'a NUL in a comment' : undefined;
}

/**
 * The client of MariaDB takes the end of a comment within an executable one for that of the latter, when both begin on
 * one line, and reads on as in a comment up to the next end.
 */
function unclearBehindComment(statement: string, from: number): string | undefined {
  const to = statement.indexOf('*/', from);
  const rest = statement.slice(from, to === -1 ? undefined : to);
  return /['"`;#\\$|&%!~^]|--|\/\//.test(rest) ? BESIDE_A_COMMENT : undefined;
}

const BESIDE_A_COMMENT = 'a comment on the line of an executable one';

/**
 * A statement that the client reads as the server does: where a body begins with a comment on the line of `/*!50003 TRIGGER`, that word
 * begins another line. The body stays what it is. All other statements are returned as they are.
 */
export function readAlike(statement: string, lexis: Lexis): string {
  if (readSql(statement, lexis).unclear !== BESIDE_A_COMMENT) return statement;
  return statement.replace(/(\/\*M?!\d*[ \t]*)((?:TRIGGER|EVENT)\s)/i, '$1\n$2');
}

function unclearQuotes(quoted: string, inDoubt: boolean, { backslashEscapes, highBytes }: Lexis): string | undefined {
  const quote = quoted.slice(0, 1);
  if (quoted.length < 2 || !quoted.endsWith(quote)) return 'quotes that do not end';
  if (inDoubt && /\*\/|\/\*/.test(quoted)) return 'the mark of a comment in quotes in an executable comment';
  if (quote === '`') {
    if (quoted.includes('\0')) return 'a NUL in a name';
    return highBytes.includes('ASCII') && /[\x80-\xff]`/.test(quoted.slice(1, -1))
      ? 'a quote that may be half a letter'
      : undefined;
  }
  if (backslashEscapes && quoted.includes('\\\0')) return 'a backslash before a NUL';
  return highBytes.includes('ASCII') && /[\x80-\xff]\\['"\\]/.test(quoted)
    ? 'a backslash that may be half a letter'
    : undefined;
}

function unclearWord(word: string, { highBytes }: Lexis): string | undefined {
  if (highBytes === 'letters' || !/[\x80-\xff]/.test(word)) return undefined;
  if (highBytes === 'letters and a space') return word.includes('\xa0') ? 'a space that is none in ASCII' : undefined;
  return 'letters beyond ASCII outside of quotes';
}

/** The tokens alone. */
export function sqlTokens(statement: string): Iterator<SqlToken, undefined> {
  return iterate(readSql(statement).tokens);
}

export function* iterate(tokens: readonly SqlToken[]): Generator<SqlToken, undefined> {
  yield* tokens;
  return undefined;
}

/** The name a token stands for, decoded as UTF-8. */
export function nameOf(token: SqlToken): string {
  const { text } = token;
  const quote = token.kind === 'quoted' ? text.slice(0, 1) : '';
  const inner = quote === '' ? text : text.slice(1, -1).replaceAll(quote + quote, quote);
  return Buffer.from(inner, 'latin1').toString('utf8');
}

/** The word of a token in capitals; undefined for what is no word. */
export function wordOf(token: SqlToken | undefined): string | undefined {
  return token?.kind === 'word' ? token.text.toUpperCase() : undefined;
}
