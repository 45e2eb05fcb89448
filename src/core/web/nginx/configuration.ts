import { dirname, resolve } from 'node:path';
import { matchesPattern } from '../../hosts/file-pattern';

/** One directive as it stands in a file. */
export interface Directive {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly file: string;
  readonly line: number;
  /** What stands between its braces; null without. Included files stand behind their `include`. */
  readonly block: readonly Directive[] | null;
}

/** What nginx reads. */
export interface Configuration {
  /** Text by path, in the order nginx reads them: the main file first. */
  readonly files: ReadonlyMap<string, string>;
  /** Of the main file, with what they include. */
  readonly directives: readonly Directive[];
  /** The folder that relative paths begin at. */
  readonly folder: string;
  /**
   * Files that begin twice, as it seems: one of the two lines is a comment of somebody's that imitates nginx. Which one cannot be
   * told, so nothing may be proved by this configuration.
   */
  readonly imitations: readonly string[];
}

/**
 * The configuration that `nginx -T` printed; what stands before its first file is passed over. nginx says where a file begins by
 * a line that anybody may write into a comment. It is believed where it can be nginx's own: between two directives outside of
 * all blocks of the file before it, for a file that something read so far includes, and the first time.
 * @throws Error, with file and line, for text that nginx would not take either
 */
export function readConfiguration(dump: string): Configuration {
  const main = beginningIn(dump);
  if (main === null) return { files: new Map(), directives: [], folder: '/', imitations: [] };
  const folder = dirname(main.path);
  const parsed = new Map<string, ParsedFile>();
  const imitations: string[] = [];
  const included = new Set<string>();
  const isIncluded = (path: string): boolean =>
    included.has(path) || [...included].some((pattern) => matchesPattern(pattern, path));
  for (let next: Beginning | null = main; next !== null;) {
    const current: Beginning = next;
    const file = parseFile(dump, current, (other, directives) => {
      for (const pattern of patternsIn(directives, folder)) included.add(pattern);
      const known = parsed.get(other.path);
      if (known === undefined && other.path !== current.path) return isIncluded(other.path);
      // An nginx of before 2016 prints a file as often as it is included.
      if (known === undefined || !isRepeated(dump, other.start, known.text))
        imitations.push(`${other.path} begins at ${(known?.at ?? current).said}, and again at ${other.said}`);
      return false;
    });
    parsed.set(current.path, file);
    next = file.next;
  }
  const directives = expanded(main.path, { parsed, folder, within: [] });
  return { files: new Map([...parsed].map(([path, { text }]) => [path, text])), directives, folder, imitations };
}

/** `file:line` of a directive. */
export function placeOf({ file, line }: Directive): string {
  return `${file}:${line}`;
}

/** True when an `include` takes in a file; relative paths begin at `folder`. */
export function includes(directive: Directive, path: string, folder: string): boolean {
  return directive.name === 'include' && matchesPattern(patternOf(directive, folder), path);
}

function patternOf(directive: Directive, folder: string): string {
  return resolve(folder, directive.arguments[0] ?? '');
}

function patternsIn(directives: readonly Directive[], folder: string): string[] {
  return directives.flatMap((directive) =>
    directive.name === 'include' ? [patternOf(directive, folder)] : patternsIn(directive.block ?? [], folder),
  );
}

interface Inclusion {
  readonly parsed: ReadonlyMap<string, ParsedFile>;
  readonly folder: string;
  /** Files around it: one that includes itself ends there. */
  readonly within: readonly string[];
}

function expanded(path: string, inclusion: Inclusion): Directive[] {
  const { parsed, folder } = inclusion;
  const within = [...inclusion.within, path];
  const expand = (directives: readonly Directive[]): Directive[] =>
    directives.flatMap((directive) => {
      if (directive.block) return [{ ...directive, block: expand(directive.block) }];
      const files = [...parsed.keys()].filter((file) => !within.includes(file) && includes(directive, file, folder));
      return [directive, ...files.sort().flatMap((file) => expanded(file, { parsed, folder, within }))];
    });
  return expand(parsed.get(path)?.directives ?? []);
}

/** A line that says where a file begins. */
interface Beginning {
  readonly path: string;
  /** Where the text of the file begins in the dump. */
  readonly start: number;
  /** `file:line` of the line, as far as the files before it are what they seem. */
  readonly said: string;
}

const BEGINNING = /^# configuration file (\/.*):$/;

function beginningIn(dump: string): Beginning | null {
  const found = new RegExp(BEGINNING, 'm').exec(dump);
  return found === null ? null : { path: found[1] ?? '', start: found.index + found[0].length + 1, said: 'the top' };
}

function isRepeated(dump: string, start: number, text: string): boolean {
  const end = start + text.length;
  return dump.startsWith(text, start) && (end >= dump.length || dump.startsWith('# configuration file /', end));
}

interface ParsedFile {
  readonly at: Beginning;
  readonly text: string;
  readonly directives: readonly Directive[];
  /** The file that begins behind it. */
  readonly next: Beginning | null;
}

/** One file of a dump. `endsAt` is asked of each line that may be the beginning of the next. */
function parseFile(
  dump: string,
  at: Beginning,
  endsAt: (next: Beginning, directives: readonly Directive[]) => boolean,
): ParsedFile {
  const { path: file, start } = at;
  const open: { head: Token[]; directives: Directive[] }[] = [];
  let directives: Directive[] = [];
  let words: Token[] = [];
  const directive = ([first, ...rest]: Token[], block: Directive[] | null): Directive => ({
    name: first?.text ?? '',
    arguments: rest.map((word) => word.text),
    file,
    line: first?.line ?? 0,
    block,
  });
  for (const token of tokensOf(dump, start)) {
    if (token.kind === 'comment') {
      const path = open.length === 0 && words.length === 0 && BEGINNING.exec(token.text)?.[1];
      const next = path ? { path, start: token.end + 1, said: `${file}:${token.line}` } : null;
      if (next !== null && endsAt(next, directives))
        return { at, text: dump.slice(start, token.end - token.text.length), directives, next };
    } else if (token.kind === 'word') words.push(token);
    else {
      if (token.kind === ';' && words.length > 0) directives.push(directive(words, null));
      if (token.kind === '{') {
        open.push({ head: [...words, token], directives });
        directives = [];
      }
      if (token.kind === '}') {
        const outer = open.pop();
        if (!outer) throw new Error(`${file}:${token.line}: an unexpected }`);
        directives = [...outer.directives, directive(outer.head.slice(0, -1), directives)];
      }
      words = [];
    }
  }
  const unclosed = open[0]?.head.at(-1);
  if (unclosed) throw new Error(`${file}:${unclosed.line}: a block that does not end`);
  return { at, text: dump.slice(start), directives, next: null };
}

interface Token {
  readonly kind: 'word' | 'comment' | ';' | '{' | '}';
  readonly text: string;
  readonly line: number;
  /** Offset behind it. */
  readonly end: number;
}

/** Words as nginx's own reader takes them, with their quotes taken off, comments, and what ends words. Code of Lua's is passed over. */
function* tokensOf(text: string, start: number): Generator<Token> {
  const pattern =
    /#[^\n]*|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|[;{}]|(?:\$\{[^}]*\}|\\[^]|[^\s;{}"'#\\])(?:\$\{[^}]*\}|\\[^]|[^\s;{}\\])*|\s+/g;
  pattern.lastIndex = start;
  let line = 1;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    const [whole, double, single] = found;
    const end = pattern.lastIndex;
    if (whole === ';' || whole === '{' || whole === '}') yield { kind: whole, text: whole, line, end };
    else if (whole.startsWith('#')) yield { kind: 'comment', text: whole, line, end };
    else if (/^\S/.test(whole)) yield { kind: 'word', text: unescaped(double ?? single ?? whole), line, end };
    line += whole.split('\n').length - 1;
    if (/^\w+_by_lua_block$/.test(whole)) {
      pattern.lastIndex = endOfLua(text, end);
      line += text.slice(end, pattern.lastIndex).split('\n').length - 1;
      yield { kind: ';', text: ';', line, end: pattern.lastIndex };
    }
  }
}

/** As `ngx_conf_read_token` of nginx does it: other backslashes stay. */
function unescaped(text: string): string {
  return text.replace(/\\(["'\\trn])/g, (_, escaped: string) => ESCAPED[escaped] ?? escaped);
}

const ESCAPED: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' };

/** Braces in strings and comments of Lua's are none. */
function endOfLua(text: string, start: number): number {
  const pattern =
    /--\[(=*)\[[^]*?\]\1\]|--[^\n]*|\[(=*)\[[^]*?\]\2\]|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|[{}]/g;
  pattern.lastIndex = start;
  let depth = 0;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    if (found[0] === '{') depth += 1;
    if (found[0] === '}') depth -= 1;
    if (depth === 0 && found[0] === '}') return pattern.lastIndex;
  }
  return text.length;
}
