import { dirname, resolve } from 'node:path';
import { matchesPattern } from '../../hosts/file-pattern';

/** A directive of nginx's configuration, blocks with what stands in them, includes resolved. */
export interface Directive {
  readonly name: string;
  readonly values: readonly string[];
  readonly block: readonly Directive[];
  /** The file it stands in. */
  readonly file: string;
}

/** The files of a configuration as `nginx -T` prints them, the main one first. */
export type Dump = ReadonlyMap<string, string>;

/** Includes that include each other end here; nginx itself would refuse them. */
const MAXIMUM_DEPTH = 20;

/** Takes the output of `nginx -T` apart. A file named a second time is what somebody's file says, not nginx. */
export function readDump(text: string): Dump {
  const files = new Map<string, string>();
  const headers = [...text.matchAll(/^# configuration file (\/.*):$/gm)];
  for (const [index, header] of headers.entries()) {
    const path = header[1] ?? '';
    if (files.has(path)) continue;
    const start = header.index + header[0].length + 1;
    files.set(path, text.slice(start, headers[index + 1]?.index ?? text.length));
  }
  return files;
}

/**
 * The directives of a configuration. @throws Error, with file and line, for text that nginx would not take either
 */
export function readDirectives(dump: Dump): Directive[] {
  const [main] = dump.keys();
  return main === undefined ? [] : parseFile(main, { dump, folder: dirname(main), depth: 0 });
}

interface Place {
  readonly dump: Dump;
  /** What relative includes are relative to. */
  readonly folder: string;
  readonly depth: number;
}

interface Word {
  readonly text: string;
  /** A quoted word is no punctuation. */
  readonly quoted: boolean;
  readonly line: number;
}

function parseFile(file: string, place: Place): Directive[] {
  const words = wordsOf(place.dump.get(file) ?? '');
  const directives = parseBlock(words, file, place);
  if (words.length > 0) throw new Error(`${file}:${words[0]?.line ?? 0}: an unexpected }`);
  return directives;
}

/** Takes words off the list until the block ends. */
function parseBlock(words: Word[], file: string, place: Place): Directive[] {
  const directives: Directive[] = [];
  let values: string[] = [];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const mark = word.quoted ? '' : word.text;
    if (mark === '}') {
      words.unshift(word);
      return directives;
    }
    if (mark !== ';' && mark !== '{') {
      values.push(word.text);
      continue;
    }
    const [name = '', ...rest] = values;
    values = [];
    if (mark === '{') {
      const block = parseBlock(words, file, place);
      if (words.shift() === undefined) throw new Error(`${file}:${word.line}: a block that does not end`);
      directives.push({ name, values: rest, block, file });
    } else if (name === 'include') {
      directives.push(...included(rest[0] ?? '', place));
    } else {
      directives.push({ name, values: rest, block: [], file });
    }
  }
  return directives;
}

function included(pattern: string, place: Place): Directive[] {
  if (place.depth >= MAXIMUM_DEPTH) return [];
  const path = resolve(place.folder, pattern);
  const files = [...place.dump.keys()].filter((file) => matchesPattern(path, file)).sort();
  return files.flatMap((file) => parseFile(file, { ...place, depth: place.depth + 1 }));
}

/** Words as nginx's own reader takes them: quotes, backslashes, comments, `;`, `{` and `}`. */
function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  const token =
    /\n|\s+?|#[^\n]*|[;{}]|"((?:\\[^]|[^"\\])*)"|'((?:\\[^]|[^'\\])*)'|(?:\\[^]|\$\{[^}\n]*\}|[^\s;{}\\])+/g;
  let line = 1;
  for (const match of text.matchAll(token)) {
    const [whole, double, single] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) words.push({ text: unescaped(quoted), quoted: true, line });
    else if (!/^\s|^#/.test(whole)) words.push({ text: unescaped(whole), quoted: false, line });
    line += whole.split('\n').length - 1;
  }
  return words;
}

function unescaped(text: string): string {
  return text.replace(/\\(["'\\ ;{}])/g, '$1');
}
