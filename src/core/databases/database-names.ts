import { type SqlToken, wordOf } from './sql-tokens';
import { bodyOf } from './stored-program';

/** What a name that says its database stands for. */
export type Named = 'table' | 'key' | 'function' | 'procedure' | 'anything';

/** A name of the form `database.object`, or `database.table.column`. */
export interface NameInDatabase {
  readonly database: SqlToken;
  readonly object: SqlToken;
  readonly named: Named;
}

/** The names of a definition that have a dot in them, and those that could be databases without one. */
export interface NamesWithDots {
  readonly inDatabases: readonly NameInDatabase[];
  /** `table.column` and the like: the first part is no database. */
  readonly others: readonly SqlToken[];
  /** Names without a dot in places where a database may stand: `SHOW TABLES FROM blog`. */
  readonly alone: readonly SqlToken[];
}

/** A pair of parentheses, or the statement around them. */
interface Level {
  /**
   * How a name of two parts is read. `tables`: in a list of tables, where it is one when a table is expected; `names`: in
   * a statement that names tables, routines and the like; `values`: `table.column`.
   */
  mode: 'tables' | 'names' | 'values';
  /** What the next name is. */
  expects: Named | undefined;
  /** FROM begins a list of tables here, and is not part of EXTRACT, TRIM or SUBSTRING. */
  readsTables: boolean;
  /** USING is followed by tables, as in DELETE. */
  deletes: boolean;
}

const PROGRAMS = new Set(['TRIGGER', 'FUNCTION', 'PROCEDURE', 'EVENT']);
const KINDS = new Set([...PROGRAMS, 'TABLE', 'VIEW', 'SEQUENCE']);
/** Behind these a list of tables is over. */
const BEHIND_TABLES = new Set(
  'WHERE GROUP ORDER HAVING LIMIT UNION EXCEPT INTERSECT SET VALUES RETURNING PROCEDURE LOCK'.split(' '),
);
/** Statements whose names are those of tables, routines and the like. */
const NAMING = new Set(
  `CREATE DROP ALTER RENAME TRUNCATE OPTIMIZE ANALYZE REPAIR CHECKSUM CHECK FLUSH SHOW DESCRIBE DESC EXPLAIN HANDLER GRANT
  REVOKE LOCK USE`.split(/\s+/),
);
/** A statement begins behind these. */
const STARTERS = new Set('BEGIN THEN ELSE DO LOOP REPEAT ROW ATOMIC'.split(' '));
/** Before INSERT, UPDATE and DELETE: they are no statements there. */
const NO_STATEMENT_BEHIND = new Set('BEFORE AFTER OR ON FOR KEY GRANT REVOKE'.split(' '));
/** Between a verb and the name of its table. */
const MODIFIERS = new Set(
  'LOW_PRIORITY HIGH_PRIORITY DELAYED IGNORE QUICK INTO TABLE IF NOT EXISTS LATERAL OJ'.split(' '),
);
const SEQUENCE_FUNCTIONS = new Set(['NEXTVAL', 'LASTVAL', 'SETVAL']);
/** No definition has that many words between USE INDEX and its parenthesis. */
const WORDS_OF_A_HINT = 5;

/**
 * Reads the names of a definition: CREATE of a table, view, trigger, routine or event, or ALTER TABLE. Whether the first
 * part of `blog.hits` is a database is said by the place where it stands: where a table, a key or a routine is named it is, in
 * an expression `blog` is a table, an alias or a variable. `tokens` as from `readSql`, `ansiQuotes` as of that place.
 */
export function readNames(tokens: readonly SqlToken[], ansiQuotes: boolean): NamesWithDots {
  return new NameReader(tokens, ansiQuotes).read();
}

class NameReader {
  private readonly inDatabases: NameInDatabase[] = [];
  private readonly others: SqlToken[] = [];
  private readonly alone: SqlToken[] = [];
  private levels: Level[] = [baseLevel()];
  /** The next parenthesis opens a list of tables. */
  private tablesNext = false;
  /** The next name is `table.column` wherever it stands. */
  private columnNext = false;
  /** The statement is a SHOW, GRANT or REVOKE. */
  private verb: string | undefined;
  private at = 0;
  private readonly body: number;

  constructor(
    private readonly tokens: readonly SqlToken[],
    private readonly ansiQuotes: boolean,
  ) {
    this.body = bodyIn(tokens);
  }

  read(): NamesWithDots {
    while (this.at < this.tokens.length) {
      if (this.at === this.body) this.beginStatement();
      this.step();
    }
    return { inDatabases: this.inDatabases, others: this.others, alone: this.alone };
  }

  private get top(): Level {
    return this.levels.at(-1) ?? baseLevel();
  }

  private beginStatement(): void {
    this.levels = [baseLevel()];
    this.verb = undefined;
    this.tablesNext = false;
    this.columnNext = false;
  }

  private step(): void {
    const token = this.tokens[this.at];
    if (token?.kind === 'symbol') this.symbol(token.text);
    else if (token !== undefined && this.isName(token)) {
      if (this.symbolAt(this.at + 1) === '.') this.nameWithDots(token);
      else {
        const word = wordOf(token);
        if (word === undefined || !this.keyword(word)) this.plainName(token);
        this.at += 1;
      }
    } else this.at += 1;
  }

  private symbol(text: string): void {
    const { top } = this;
    if (text === '(') this.open();
    else if (text === ')') {
      if (this.levels.length > 1) this.levels.pop();
    } else if (text === ',') {
      if (top.mode === 'tables') top.expects = 'table';
    } else if (text === ';') this.beginStatement();
    else if (text === '@') this.skipVariable();
    this.at += 1;
  }

  private open(): void {
    const { top } = this;
    const before = this.wordAt(this.at - 1);
    if (this.tablesNext || (top.expects !== undefined && top.mode === 'tables')) {
      this.levels.push({ ...baseLevel(), mode: 'tables', expects: 'table', readsTables: false });
    } else {
      const expects = before !== undefined && SEQUENCE_FUNCTIONS.has(before) ? 'table' : undefined;
      this.levels.push({ ...baseLevel(), expects, readsTables: false });
    }
    top.expects = undefined;
    this.tablesNext = false;
  }

  /** `@a.b` and `@@global.a` are variables, `u@db.example.com` is an account. */
  private skipVariable(): void {
    for (;;) {
      const token = this.tokens[this.at];
      const next = this.tokens[this.at + 1];
      if (!token || !next || next.start !== token.end) return;
      if (next.kind === 'symbol' && next.text !== '@' && next.text !== '.') return;
      if (token.kind !== 'symbol' && next.kind !== 'symbol') return;
      this.at += 1;
    }
  }

  /** True for a word that means something to this reader; it may be a name all the same where it is no reserved one. */
  private keyword(word: string): boolean {
    const { top } = this;
    const before = this.wordAt(this.at - 1);
    const next = this.symbolAt(this.at + 1);
    switch (word) {
      case 'SELECT':
        Object.assign(top, { mode: 'values', expects: undefined, readsTables: true });
        return true;
      case 'FROM':
        if (this.verb === 'SHOW') top.expects = 'table';
        else if (top.readsTables) Object.assign(top, { mode: 'tables', expects: 'table' });
        return true;
      case 'JOIN':
      case 'STRAIGHT_JOIN':
        if (top.mode === 'tables') top.expects = 'table';
        return true;
      case 'UPDATE':
      case 'DELETE':
        if (this.isStatement(before)) {
          Object.assign(top, { mode: 'tables', expects: 'table', readsTables: true, deletes: word === 'DELETE' });
        }
        return true;
      case 'INSERT':
      case 'REPLACE':
        if (next !== '(' && this.isStatement(before)) Object.assign(top, { mode: 'values', expects: 'table' });
        return true;
      case 'INTO':
        if (top.expects === undefined && top.mode === 'tables') top.mode = 'values';
        return true;
      case 'USING':
        if (top.deletes && next !== '(') top.expects = 'table';
        return true;
      case 'REFERENCES':
        top.expects = 'key';
        return true;
      case 'CALL':
        top.expects = 'procedure';
        return true;
      case 'TABLE':
        if (top.mode !== 'names') top.expects = 'table';
        return true;
      case 'ON':
        if (top.mode === 'tables') top.expects = undefined;
        return true;
      case 'FOR':
        if (before === 'VALUE' && ['NEXT', 'PREVIOUS'].includes(this.wordAt(this.at - 2) ?? '')) top.expects = 'table';
        else if (this.wordAt(this.at + 1) !== 'SYSTEM_TIME' && top.mode === 'tables') this.endTables();
        return true;
      case 'LIKE':
        if (this.symbolAt(this.at - 1) === '(') top.expects = 'table';
        return true;
      case 'OF':
        if (before === 'TYPE' && this.wordAt(this.at - 2) === 'ROW') top.expects = 'table';
        else if (before === 'TYPE') this.columnNext = true;
        return true;
      default:
    }
    if (word === 'UNION' && top.mode === 'names' && (next === '=' || next === '(')) this.tablesNext = true;
    if (['USE', 'IGNORE', 'FORCE'].includes(word) && ['INDEX', 'KEY'].includes(this.wordAt(this.at + 1) ?? '')) {
      this.skipHint();
      return true;
    }
    if (BEHIND_TABLES.has(word) && top.mode === 'tables') {
      this.endTables();
      return true;
    }
    if (NAMING.has(word) && next !== '(' && this.isStart()) {
      Object.assign(top, { mode: 'names', expects: undefined });
      this.verb = word;
      return true;
    }
    return top.expects !== undefined && MODIFIERS.has(word);
  }

  private endTables(): void {
    Object.assign(this.top, { mode: 'values', expects: undefined });
  }

  /** `USE INDEX FOR ORDER BY (…)`, which ends no list of tables. */
  private skipHint(): void {
    let at = this.at;
    while (at < this.at + WORDS_OF_A_HINT && this.symbolAt(at + 1) !== '(') at += 1;
    if (this.symbolAt(at + 1) !== '(') return;
    while (at + 1 < this.tokens.length && this.symbolAt(at + 1) !== ')') at += 1;
    this.at = at + 1;
  }

  private plainName(token: SqlToken): void {
    const { top } = this;
    const before = this.wordAt(this.at - 1);
    const ofAShow = this.verb === 'SHOW' && (before === 'FROM' || before === 'IN');
    const ofADatabase = top.mode === 'names' && ['DATABASE', 'SCHEMA', 'USE'].includes(before ?? '');
    if (ofAShow || ofADatabase) this.alone.push(token);
    top.expects = undefined;
  }

  private nameWithDots(first: SqlToken): void {
    const { top } = this;
    const parts = [first];
    while (this.symbolAt(this.at + 1) === '.') {
      const part = this.tokens[this.at + 2];
      if (!part || !(this.isName(part) || part.text === '*')) break;
      parts.push(part);
      this.at += 2;
    }
    this.at += 1;
    const [database, object] = parts;
    const named = this.kindOf(parts);
    // A number has a dot too.
    if (!database || !object || /^\d+(?:e\d*)?$/i.test(database.text)) return;
    if (named === undefined) this.others.push(database);
    else this.inDatabases.push({ database, object, named });
    top.expects = undefined;
    this.columnNext = false;
  }

  /** What a name of several parts stands for; undefined when its first part is no database. The reader stands behind it. */
  private kindOf(parts: readonly SqlToken[]): Named | undefined {
    const { top } = this;
    const [, object] = parts;
    const ofAll = parts.length === 2 && object?.kind === 'symbol';
    if (ofAll) return this.verb === 'GRANT' || this.verb === 'REVOKE' ? 'anything' : undefined;
    if (parts.length > 2) return top.expects ?? 'table';
    if (this.columnNext) return undefined;
    if (top.expects !== undefined) return top.expects;
    if (top.mode === 'names') return 'anything';
    return this.symbolAt(this.at) === '(' ? 'function' : undefined;
  }

  /** A statement may begin here. */
  private isStart(): boolean {
    if (this.at === 0 || this.at === this.body) return true;
    const before = this.tokens[this.at - 1];
    if (before?.kind === 'symbol') return before.text === ';' || before.text === ':';
    return STARTERS.has(wordOf(before) ?? '');
  }

  private isStatement(before: string | undefined): boolean {
    if (before !== undefined) return !NO_STATEMENT_BEHIND.has(before);
    return this.symbolAt(this.at - 1) !== ',' && this.top.mode !== 'names';
  }

  private isName(token: SqlToken): boolean {
    if (token.kind !== 'quoted') return token.kind === 'word';
    return token.text.startsWith('`') || (this.ansiQuotes && token.text.startsWith('"'));
  }

  /** The word there, unless it is part of a name with dots. */
  private wordAt(index: number): string | undefined {
    return this.symbolAt(index - 1) === '.' ? undefined : wordOf(this.tokens[index]);
  }

  private symbolAt(index: number): string | undefined {
    const token = this.tokens[index];
    return token?.kind === 'symbol' ? token.text : undefined;
  }
}

function baseLevel(): Level {
  return { mode: 'values', expects: undefined, readsTables: true, deletes: false };
}

/** Where the body of a stored program begins; -1 for other definitions. */
function bodyIn(tokens: readonly SqlToken[]): number {
  const isPart = (index: number): boolean => ['.', '@', '='].includes(tokens[index - 1]?.text ?? '');
  const at = tokens.findIndex((token, index) => KINDS.has(wordOf(token) ?? '') && !isPart(index));
  const kind = wordOf(tokens[at]);
  if (kind === undefined || !PROGRAMS.has(kind)) return -1;
  let from = at + 1;
  while (['IF', 'NOT', 'EXISTS'].includes(wordOf(tokens[from]) ?? '')) from += 1;
  from += tokens[from + 1]?.text === '.' ? 3 : 1;
  return bodyOf(kind.toLowerCase(), tokens, from);
}
