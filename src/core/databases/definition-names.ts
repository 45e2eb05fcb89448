import { type Named, type NamesWithDots, readNames } from './database-names';
import { nameIn } from './known-tables';
import { type Lexis, type SqlToken, readSql, wordOf } from './sql-tokens';
import type { Created } from './statement-head';

/** The database that a dump is of. */
export interface DumpedDatabase {
  readonly name: string;
  /** What it is called where the dump goes. */
  readonly newName?: string | undefined;
  /** The server takes names of databases in any case (lower_case_table_names). */
  readonly ignoreCase?: boolean | undefined;
}

/** A table, key or routine of another database that a definition names. */
export interface NameElsewhere {
  readonly database: string;
  readonly object: string;
  readonly named: Named;
}

export interface DefinitionNames {
  /** The definition, with the new name of the database where it names its own. */
  readonly text: string;
  readonly elsewhere: readonly NameElsewhere[];
  /** What may mean the database or something else, and stays as it is: a few words of SQL each. */
  readonly doubts: readonly string[];
}

/** Where a definition stands in the dump. */
export interface Place {
  readonly kind: Created['kind'] | undefined;
  readonly lexis: Lexis;
  /** Character set in which the server reads the statement. */
  readonly charset: string;
}

const LONGEST_DOUBT = 80;

/**
 * Reads what a definition of a dump says of databases: its own is given the new name, by tokens, in code and never in
 * strings and comments; what could mean either stays. `definition` is latin1, one character a byte.
 */
export function readDefinition(definition: string, database: DumpedDatabase, place: Place): DefinitionNames {
  const { kind, lexis, charset } = place;
  const holdsText = kind !== undefined && kind !== 'table' && kind !== 'sequence';
  if (!holdsText && !definition.includes('.')) return { text: definition, elsewhere: [], doubts: [] };
  const { tokens } = readSql(definition, lexis);
  const names = readNames(tokens, lexis.ansiQuotes);
  const isOwn = ownNames(database, charset);
  const renamed = names.inDatabases.filter((name) => isOwn(name.database));
  const newName = database.newName === undefined ? undefined : `\`${database.newName}\``;
  const elsewhere = names.inDatabases.flatMap(({ database: other, object, named }) => {
    const [otherName, objectName] = [nameIn(other, charset), nameIn(object, charset)];
    if (isOwn(other) || otherName === undefined || objectName === undefined) return [];
    return [{ database: otherName, object: objectName, named }];
  });
  return {
    text: newName === undefined ? definition : replaced(definition, renamed, newName),
    elsewhere,
    doubts: [
      ...doubtfulNames(names, tokens, isOwn, { ...place, database }).map((token) => behind(definition, token)),
      ...(holdsText ? doubtfulTexts(tokens, database, place) : []),
    ],
  };
}

type IsOwn = (token: SqlToken) => boolean;

function ownNames({ name, ignoreCase }: DumpedDatabase, charset: string): IsOwn {
  const spelled = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  const own = spelled(name);
  return (token) => {
    const found = nameIn(token, charset);
    return found !== undefined && spelled(found) === own;
  };
}

function replaced(text: string, names: NamesWithDots['inDatabases'], newName: string): string {
  let result = '';
  let from = 0;
  for (const { database } of names) {
    result += text.slice(from, database.start) + newName;
    from = database.end;
  }
  return result + text.slice(from);
}

/**
 * `blog.hits` where a column is meant, in a definition that nowhere makes `blog` the name of a table or a variable; `SHOW
 * TABLES FROM blog`; and letters that Kedge cannot read.
 */
function doubtfulNames(
  { others, alone, inDatabases }: NamesWithDots,
  tokens: readonly SqlToken[],
  isOwn: IsOwn,
  { kind, charset, lexis, database }: Place & { database: DumpedDatabase },
): SqlToken[] {
  const qualifiers = new Set([...others, ...inDatabases.map((name) => name.database)]);
  const isDeclared = (): boolean =>
    (kind === 'trigger' && /^(?:new|old)$/i.test(database.name)) ||
    tokens.some((token) => token.kind !== 'symbol' && !isText(token, lexis) && !qualifiers.has(token) && isOwn(token));
  const own = others.filter(isOwn);
  const unreadable = /[^\0-\x7f]/.test(database.name)
    ? [...qualifiers].filter((token) => nameIn(token, charset) === undefined)
    : [];
  return [...(own.length > 0 && !isDeclared() ? own : []), ...alone.filter(isOwn), ...unreadable];
}

function isText({ text }: SqlToken, { ansiQuotes }: Lexis): boolean {
  return text.startsWith("'") || (text.startsWith('"') && !ansiQuotes);
}

/** In a definition with one of these the bare name in quotes may be put into a statement, or looked up. */
const DYNAMIC = /^(?:PREPARE|EXECUTE|INFORMATION_SCHEMA|\w+_SCHEMA)$/;

/** Texts that may become statements: those that name the database as a statement would. */
function doubtfulTexts(tokens: readonly SqlToken[], { name }: DumpedDatabase, { charset, lexis }: Place): string[] {
  const escaped = name.replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  const letter = String.raw`[\p{L}\p{N}_$]`;
  const asIfNamed = new RegExp(
    String.raw`\x60${escaped}\x60|(?<!${letter})${escaped}["\x60]?\s*\.|\b(?:from|in|use|database|schema)\s+${escaped}(?!${letter})`,
    'iu',
  );
  const isDynamic = tokens.some((token) => DYNAMIC.test(wordOf(token) ?? ''));
  return tokens.flatMap((token, index) => {
    if (!isText(token, lexis) || wordOf(tokens[index - 1]) === 'COMMENT') return [];
    const text = nameIn(token, charset);
    const mayName = text !== undefined && (asIfNamed.test(text) || (isDynamic && text.trim() === name));
    return mayName ? [token.text.slice(0, LONGEST_DOUBT)] : [];
  });
}

function behind(text: string, { start, end }: SqlToken): string {
  return text.slice(start, Math.min(end + 40, start + LONGEST_DOUBT)).split(/[\s,;()]/)[0] ?? '';
}
