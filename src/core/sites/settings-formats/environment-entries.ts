import type { EnvironmentQuote } from './environment-value';
import type { ByteRange } from './replace-ranges';

/** One `KEY=value` of an environment file; the range is that of the value with its quotes. */
export interface EnvironmentEntry extends ByteRange {
  readonly key: string;
  /** From 1 on. */
  readonly line: number;
  readonly quote: EnvironmentQuote;
  /** One character a byte. Null when shells and dotenv libraries do not read it the same. */
  readonly value: string | null;
}

const KEY = /[ \t]*(?:(?:export[ \t]+)?([A-Za-z_][\w.]*)|env\[([A-Za-z_]\w*)\])[ \t]*=[ \t]*/y;
const REST_OF_LINE = /[^\n]*(?:\n|$)/y;
const VALUES: readonly { readonly quote: EnvironmentQuote; readonly form: RegExp }[] = [
  { quote: "'", form: /'([^']*)'/y },
  { quote: '"', form: /"((?:[^"\\]|\\[^])*)"/y },
  { quote: '', form: /((?:[^\s#]|(?<=\S)#|[ \t]+(?=[^\s#]))*)/y },
];

/**
 * The entries of an environment file: `KEY=value`, `export KEY="value"`, `env[KEY] = 'value'` as in an FPM pool. A quoted
 * value may span lines, so that no line of it is taken for an entry. `source` is the file, one character a byte.
 */
export function environmentEntries(source: string): EnvironmentEntry[] {
  const entries: EnvironmentEntry[] = [];
  let position = source.startsWith('\xef\xbb\xbf') ? 3 : 0;
  let line = 1;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const found = pattern.exec(source);
    if (found) {
      position += found[0].length;
      line += found[0].split('\n').length - 1;
    }
    return found;
  };
  while (position < source.length) {
    const named = match(KEY);
    const key = named?.[1] ?? named?.[2];
    if (key !== undefined) {
      const start = position;
      const startLine = line;
      for (const { quote, form } of VALUES) {
        const found = match(form);
        if (!found) continue;
        const range = { key, line: startLine, quote, start, end: position };
        entries.push({ ...range, value: endsHere(source, position) ? unquoted(found[1] ?? '', quote) : null });
        break;
      }
    }
    match(REST_OF_LINE);
  }
  return entries;
}

/** A comment begins behind white space, which the name before an empty value has taken already. */
const END_OF_VALUE = /(?:(?:[ \t]+|(?<=[ \t]))#[^\n]*|[ \t]*\r?)(?:\n|$)/y;

/** True when nothing but white space and a comment follows on the line. */
function endsHere(source: string, position: number): boolean {
  END_OF_VALUE.lastIndex = position;
  return END_OF_VALUE.test(source);
}

/** Null for what shells and the dotenv libraries read differently: interpolation, escapes, quotes inside. */
function unquoted(raw: string, quote: EnvironmentQuote): string | null {
  if (quote === "'") return raw;
  if (quote === '"') return /^(?:[^\\$`]|\\[\\"$])*$/.test(raw) ? raw.replace(/\\([\\"$])/g, '$1') : null;
  return /^#|[\s$`\\'"]/.test(raw) ? null : raw;
}
