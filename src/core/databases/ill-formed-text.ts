import type { SessionSettings } from './session-settings';
import { RowReader } from './row-reader';
import { type SqlToken, nameOf, readSql, wordOf } from './sql-tokens';
import { isColumn, itemsOf } from './table-definition';
import { encodingOf, rankOf, suspicionOf } from './well-formed-text';

/** A column of a table as far as its text matters. */
interface Column {
  readonly name: string;
  /** Of its text, when not all bytes are letters of it. */
  readonly charset: string | undefined;
  /** An INSERT without a list of columns gives it no value. */
  readonly invisible: boolean;
}

/** The rows of one INSERT, as they pass. */
interface Reading {
  readonly rows: RowReader;
  /** A part of the dump that is less suspicious holds nothing for it. */
  readonly rank: number;
}

/** Of the session that the rows are for. */
type RowSettings = Pick<SessionSettings, 'clientCharset' | 'lexis'>;

const TEXT_TYPES = new Set(['CHAR', 'VARCHAR', 'TINYTEXT', 'TEXT', 'MEDIUMTEXT', 'LONGTEXT']);
/** What Kedge writes between the columns and the rows of an INSERT. */
const BEFORE_ROWS = ') VALUES\n';
/** So many columns are named. */
const KEPT = 1000;

/**
 * Looks for text whose bytes are no letters of its column's character set: it came into a table past the server, by files that were copied
 * or by an older server, and goes in by no statement. Whole parts of a dump are passed over where all of it is UTF-8; rows are read only where it is not.
 */
export class IllFormedText {
  private readonly tables = new Map<string, readonly Column[]>();
  private reading: Reading | undefined;
  private readonly found = new Map<string, number>();

  /** A table is defined, by a statement in latin1. */
  created(table: string, statement: string): void {
    const columns = columnsOf(statement);
    if (columns.some(({ charset }) => charset !== undefined)) this.tables.set(table, columns);
    else this.tables.delete(table);
  }

  /** Rows are to come: `head` is their INSERT up to the first one, in latin1. */
  begin(table: string | undefined, head: string, settings: RowSettings): void {
    this.reading = this.readingOf(table, head, settings);
  }

  private readingOf(table: string | undefined, head: string, settings: RowSettings): Reading | undefined {
    const columns = table === undefined ? undefined : this.tables.get(table);
    if (table === undefined || !columns) return undefined;
    const named = namesOf(head);
    const given =
      named === undefined
        ? columns.filter(({ invisible }) => !invisible)
        : named.map((name) => columns.find((column) => sameName(column.name, name)));
    const encodings = given.map((column) =>
      column?.charset !== undefined && isSentAsItIs(column.charset, settings) ? encodingOf(column.charset) : undefined,
    );
    const wanted = encodings.filter((encoding) => encoding !== undefined);
    if (wanted.length === 0) return undefined;
    return {
      rank: Math.min(...wanted.map(rankOf)),
      rows: new RowReader(encodings, settings.lexis, (index) => this.note(table, given[index]?.name ?? '')),
    };
  }

  /** How suspicious a part of the dump has to be for its rows to be read; undefined where none are. */
  get rank(): number | undefined {
    return this.reading?.rank;
  }

  /** Bytes of the rows, from a parenthesis on; a row may come in several parts. */
  read(bytes: Buffer): void {
    this.reading?.rows.push(bytes);
  }

  /** A whole INSERT, which Kedge wrote; others may be read meanwhile. */
  statement(table: string, statement: Buffer, settings: RowSettings): void {
    const end = statement.indexOf(BEFORE_ROWS);
    if (end === -1 || statement.toString('latin1', 0, 6) !== 'INSERT') return;
    const reading = this.readingOf(table, statement.toString('latin1', 0, end + 1), settings);
    if (reading && suspicionOf(statement) >= reading.rank)
      reading.rows.push(statement.subarray(end + BEFORE_ROWS.length));
  }

  /** `table.column`, with how many values. */
  get columns(): ReadonlyMap<string, number> {
    return this.found;
  }

  private note(table: string, column: string): void {
    const name = `${table}.${column}`;
    const known = this.found.get(name);
    if (known !== undefined || this.found.size < KEPT) this.found.set(name, (known ?? 0) + 1);
  }
}

/** Bytes as the server keeps them; or text in UTF-8, of which only a column in UTF-8 gets the very bytes. */
function isSentAsItIs(charset: string, { clientCharset }: Pick<SessionSettings, 'clientCharset'>): boolean {
  return clientCharset === 'binary' || (clientCharset.startsWith('utf8') && charset.startsWith('utf8'));
}

function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** The columns that an INSERT lists. */
function namesOf(head: string): string[] | undefined {
  const { tokens } = readSql(head);
  const opens = tokens.findIndex(({ kind, text }) => kind === 'symbol' && text === '(');
  if (opens === -1) return undefined;
  return tokens
    .slice(opens + 1)
    .flatMap((token) => (token.kind === 'symbol' || wordOf(token) === 'VALUES' ? [] : [nameOf(token)]));
}

function columnsOf(statement: string): Column[] {
  const { items, rest } = itemsOf(readSql(statement).tokens);
  const ofTable = charsetOf(rest);
  return items.filter(isColumn).map((item) => {
    const [name, type, ...options] = withoutExpressions(item);
    const words = options.map(wordOf);
    const isStored = TEXT_TYPES.has(wordOf(type) ?? '') && !words.includes('AS');
    const charset = isStored ? (charsetOf(options) ?? ofTable) : undefined;
    return {
      name: name ? nameOf(name) : '',
      charset: charset !== undefined && encodingOf(charset) ? charset : undefined,
      invisible: words.includes('INVISIBLE'),
    };
  });
}

/** Without what stands in parentheses. */
function withoutExpressions(item: readonly SqlToken[]): SqlToken[] {
  let depth = 0;
  return item.filter(({ kind, text }) => {
    if (kind === 'symbol' && text === '(') depth += 1;
    if (kind === 'symbol' && text === ')') depth -= 1;
    return depth === 0 && text !== ')';
  });
}

/** The character set that options of a column or table name, by itself or by its collation. */
function charsetOf(options: readonly SqlToken[]): string | undefined {
  const words = options.filter(({ text }) => text !== '=');
  const behind = (...names: readonly string[]): string | undefined => {
    const at = words.findIndex((_token, index) => names.every((name, next) => wordOf(words[index + next]) === name));
    const value = at === -1 ? undefined : words[at + names.length];
    return value && nameOf(value).toLowerCase();
  };
  const collation = behind('COLLATE');
  return (
    behind('CHARACTER', 'SET') ?? behind('CHARSET') ?? (collation === 'binary' ? 'binary' : collation?.split('_')[0])
  );
}
