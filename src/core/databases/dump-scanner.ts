import { readDefinition } from './definition-names';
import {
  LOOKAHEAD,
  endOfLine,
  followsValues,
  isBetweenRows,
  isDelimiterCommand,
  pieceNameAt,
  positionOf,
  specialBytes,
  startsComment,
  startsWith,
  startsWithWord,
} from './dump-bytes';
import type { DumpListener, Gap, NextStatement } from './dump-listener';
import { StatementJudge } from './dump-statements';
import { IllFormedText } from './ill-formed-text';
import { IN_WORD, PASSED_OVER, endOfLiteralWord } from './insert-rows';
import { LONG_ROW_BYTES, SentRows } from './sent-rows';
import { type Created, type HeadRules, IMPORT_RULES, insertedTable, rewriteHead } from './statement-head';
import {
  AT,
  BACKSLASH,
  BACKTICK,
  CLOSE,
  DASH,
  DOUBLE_QUOTE,
  NEWLINE,
  OPEN,
  SINGLE_QUOTE,
  SLASH,
  SPACE,
  STAR,
} from './sql-bytes';
import { type Lexis, PLAIN_LEXIS, iterate, readAlike, readSql, wordOf } from './sql-tokens';
import { suspicionOf } from './well-formed-text';

/** Chunks are read in parts of this size: what is held back is looked at behind each. */
const CHUNK_BYTES = 256 * 1024;

/** No INSERT has more before its first row. */
const HEAD_LIMIT = 64 * 1024;
/** A statement other than an INSERT is read whole; no definition is longer. */
const STATEMENT_LIMIT = 4 * 1024 * 1024;
const SHOWN = 80;

type Mode = 'text' | 'rows' | 'quote' | 'line comment' | 'block comment';

const SHORT_TEXT = 64;
const DELIMITER_LINE = /^delimiter[ \t]+(\S+)[ \t\r]*$/i;
/** A delimiter that is no part of a word, a number or a comment. */
const DELIMITER = /^(?:;{1,8}|\/\/|\$\$?|\|\|?|&&|%%|!!|~~?|\^\^?)$/;
const TRAILER_BYTES = Buffer.from('-- Dump completed');
/** What dump programs of MariaDB begin with. The client that knows it runs no more commands; it is passed `--sandbox` anyway. */
const SANDBOX_MARKS = ['/*!999999\\- enable the sandbox mode */', '/*M!999999\\- enable the sandbox mode */'].map(
  (text) => Buffer.from(text),
);
/** Does nothing; the client takes no empty statement. */
const NO_ROWS = Buffer.from('UNLOCK TABLES');
const EXECUTABLE_MARKS = ['/*!', '/*M!'].map((text) => Buffer.from(text));
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads a dump the way the client that imports it does: strings, quoted names, comments and the DELIMITER in force, so that
 * it knows where statements begin and never takes data or the body of a routine for one. Each statement is judged
 * (dump-statements.ts); rows are read while they pass. Bytes pass through unchanged but for the heads of statements
 * (statement-head.ts) and lines with DELIMITER that client and scanner could read differently.
 */
export class DumpScanner {
  private readonly judge = new StatementJudge();
  private readonly text = new IllFormedText();
  private readonly sent: SentRows;
  /** Of the bytes that are being scanned, once somebody asks; -1 before. */
  private suspicion = -1;
  /** Of what came before them of the present row. */
  private rowSuspicion = 0;
  private mode: Mode = 'text';
  /** Where a quote or comment leads back to. */
  private outside: 'text' | 'rows' = 'text';
  private quote = 0;
  /** The next backslash of the chunk, as far as it was looked for: each is looked for once. */
  private backslash = -1;
  private carry: Buffer = Buffer.alloc(0);
  /** Bytes of the dump before `carry`. */
  private offset = 0;
  private delimiter: Buffer = Buffer.from(';');
  /** 1 for bytes that mean something in the text of a statement. */
  private special = specialBytes(';');
  private lexis: Lexis;

  private inStatement = false;
  private statementOffset = 0;
  private statementStart = '';
  private isInsert = false;
  /** The statement is kept back. */
  private holding = false;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private insertHead = '';
  private readingRows = false;
  private depth = 0;
  private rows = 0;
  /** The table whose definition is the present statement, where something is to be put behind it. */
  private gapBehind: string | undefined;
  /** Where in the chunk the last row ended; -1 when none did in this statement. */
  private rowEnd = -1;
  /** Byte of the dump at which the present row begins. */
  private rowStart = 0;
  /** The last byte of the rows before this chunk. */
  private before = 0;
  private refusedHere = false;
  private trailerIsLast = false;
  /** Nothing but white space stands on the line so far. */
  private lineStart = true;
  /** White space or a comment stands before whatever comes next, and the client keeps it with that. */
  private clientKeeps = false;

  constructor(
    private readonly listener: DumpListener,
    private readonly rules: HeadRules,
    longRowBytes = LONG_ROW_BYTES,
  ) {
    this.lexis = this.judge.settings.lexis;
    this.sent = new SentRows(longRowBytes, {
      bytes: (bytes) => this.text.read(bytes),
      longestValue: (bytes) => listener.longValue?.(insertedTable(this.insertHead), bytes),
    });
  }

  /** True when the last thing in the dump is the trailer. */
  get complete(): boolean {
    return this.trailerIsLast;
  }

  /** `table.column` of text that no server takes as it is, with how many values there are so far. */
  get illFormed(): ReadonlyMap<string, number> {
    return this.text.columns;
  }

  /** Rows of a table that are put behind its definition. */
  readFilled(table: string, statement: Buffer): void {
    this.text.statement(table, statement, { clientCharset: 'binary', lexis: PLAIN_LEXIS });
  }

  push(chunk: Buffer): (Buffer | Gap)[] {
    if (chunk.length <= CHUNK_BYTES) return this.scan(chunk, false);
    const output: (Buffer | Gap)[] = [];
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
      output.push(...this.scan(chunk.subarray(at, at + CHUNK_BYTES), false));
    return output;
  }

  end(): (Buffer | Gap)[] {
    return this.scan(Buffer.alloc(0), true);
  }

  private scan(chunk: Buffer, last: boolean): (Buffer | Gap)[] {
    const bytes = this.carry.length === 0 ? chunk : Buffer.concat([this.carry, chunk]);
    const end = last ? bytes.length : bytes.length - LOOKAHEAD;
    const output: (Buffer | Gap)[] = [];
    this.backslash = -1;
    this.rowEnd = -1;
    this.suspicion = -1;
    /** Start of the bytes that are neither emitted nor held yet. */
    let from = 0;
    let at = 0;

    const emit = (to: number): void => {
      output.push(...this.sent.flush());
      if (to > from) output.push(bytes.subarray(from, to));
      from = to;
    };
    const hold = (to: number): void => {
      if (to > from) {
        this.held.push(bytes.subarray(from, to));
        this.heldBytes += to - from;
      }
      from = to;
    };
    /** The statement up to here, or an INSERT up to its first row: judged, and sent on. */
    const decide = (to: number): void => {
      hold(to);
      const head = this.held.length === 1 ? (this.held[0] ?? Buffer.alloc(0)) : Buffer.concat(this.held);
      this.release();
      if (this.isInsert) {
        this.decideInsert(head);
        output.push(
          ...this.statementsBefore({
            kind: 'rows',
            firstWord: 'INSERT',
            table: insertedTable(this.insertHead),
            settings: this.judge.settings,
          }),
        );
        if (this.rules.cutRows) output.push(NO_ROWS);
        else this.sent.begin(head, this.delimiter, this.lexis);
        this.rowEnd = -1;
      } else output.push(...this.decideStatement(head));
    };
    /** Bytes of an INSERT up to here. */
    const sendRows = (to: number): void => {
      const rows = { end: this.rowEnd - from, start: this.rowStart - this.offset - from, inRow: this.depth !== 0 };
      output.push(...this.sent.take(bytes.subarray(from, to), rows));
      from = to;
    };

    const letGoOfTooLong = (): void => {
      if (!this.holding || this.heldBytes + at - from <= (this.isInsert ? HEAD_LIMIT : STATEMENT_LIMIT)) return;
      this.refuse('a statement that is too long');
      hold(at);
      output.push(...this.held);
      this.release();
    };

    while (at < end) {
      if (this.mode === 'quote') {
        at = this.skipQuote(bytes, at, end);
      } else if (this.mode === 'line comment') {
        const newline = bytes.indexOf(NEWLINE, at);
        const to = newline === -1 || newline >= end ? end : newline;
        this.lookForNul(bytes, at, to);
        at = to;
        if (to < end) {
          at += 1;
          this.mode = this.outside;
          this.lineStart = true;
        }
      } else if (this.mode === 'block comment') {
        at = this.skipBlockComment(bytes, at, end);
      } else if (this.mode === 'rows') {
        if (this.sent.isCut) {
          while (at < end && isBetweenRows(bytes[at] ?? 0)) at += 1;
          from = at;
          if (at >= end) break;
          if (bytes[at] === OPEN) {
            this.sent.goOn();
          } else if (startsWith(bytes, at, this.delimiter)) {
            this.endStatement();
            at += this.delimiter.length;
            from = at;
            continue;
          }
        }
        at = this.readRows(bytes, at, end);
        if (this.sent.inLongRow && this.depth === 0) {
          sendRows(at);
          output.push(...this.sent.endLongRow());
        }
        // The delimiter stays: it ends what stands in for them.
        if (this.rules.cutRows && !this.inStatement) from = at - this.delimiter.length;
      } else {
        // Text. The bytes that mean nothing here are most of it.
        const { special } = this;
        if (this.inStatement) while (at < end && special[bytes[at] ?? 0] === 0) at += 1;
        else at = this.skipBlanks(bytes, at, end);
        if (at >= end) break;
        const byte = bytes[at] ?? 0;

        if (byte === this.delimiter[0] && startsWith(bytes, at, this.delimiter)) {
          if (this.holding) decide(at);
          this.endStatement();
          at += this.delimiter.length;
          if (this.gapBehind !== undefined) {
            emit(at);
            output.push({ behind: this.gapBehind });
            this.gapBehind = undefined;
          }
        } else if (startsComment(bytes, at)) {
          if (!this.inStatement && startsWith(bytes, at, TRAILER_BYTES)) {
            const before = this.listener.trailer();
            emit(at);
            if (before) output.push(before);
            this.trailerIsLast = true;
          }
          this.mode = byte === SLASH ? 'block comment' : 'line comment';
          this.outside = 'text';
          if (byte === SLASH && !this.inStatement) this.clientKeeps = true;
          at += byte === SLASH ? 2 : 1;
        } else if (!this.inStatement && isDelimiterCommand(bytes, at)) {
          emit(at);
          const lineEnd = endOfLine(bytes, at);
          output.push(this.followDelimiter(bytes, at, lineEnd));
          from = lineEnd;
          at = lineEnd;
        } else if (!this.inStatement && SANDBOX_MARKS.some((mark) => startsWith(bytes, at, mark))) {
          at += bytes.indexOf(SLASH, at + 1) - at + 1;
          this.clientKeeps = true;
          this.lineStart = false;
        } else if (!this.inStatement && at === 0 && this.offset === 0 && startsWith(bytes, at, BYTE_ORDER_MARK)) {
          at += BYTE_ORDER_MARK.length;
        } else {
          if (!this.inStatement) {
            emit(at);
            this.beginStatement(bytes, at);
          }
          if (byte === SINGLE_QUOTE || byte === DOUBLE_QUOTE || byte === BACKTICK) {
            this.mode = 'quote';
            this.outside = 'text';
            this.quote = byte;
          } else if (this.isInsert && byte === OPEN) {
            if (this.depth === 0 && this.holding && followsValues(this.held, bytes, from, at)) {
              decide(at);
              this.mode = 'rows';
              this.rows = 1;
              this.rowStart = this.offset + at;
              this.rowSuspicion = 0;
            }
            this.depth += 1;
          } else if (this.isInsert && byte === CLOSE) this.depth -= 1;
          at += 1;
        }
      }
      letGoOfTooLong();
    }
    // One word may be longer than any chunk.
    letGoOfTooLong();

    if (last) {
      if (this.holding) decide(bytes.length);
      if (this.inStatement && this.mode !== 'text' && this.mode !== 'rows')
        this.refuse('a statement that does not end');
      if (this.readingRows && this.rules.cutRows) from = bytes.length;
      this.endStatement();
      emit(bytes.length);
      this.carry = Buffer.alloc(0);
      return output;
    }
    at = Math.max(at, 0);
    if (this.readingRows && this.depth > 0 && this.text.rank !== undefined)
      this.rowSuspicion = Math.max(this.rowSuspicion, this.suspicionHere(bytes));
    if (at > 0) {
      if (this.holding) hold(at);
      else if (this.readingRows && this.rules.cutRows) from = at;
      else if (this.readingRows) sendRows(at);
      else emit(at);
      this.before = bytes[at - 1] ?? 0;
    }
    this.offset += at;
    this.carry = bytes.subarray(at);
    return output;
  }

  private beginStatement(bytes: Buffer, at: number): void {
    this.inStatement = true;
    this.trailerIsLast = false;
    this.lineStart = false;
    this.clientKeeps = false;
    this.refusedHere = false;
    this.statementOffset = this.offset + at;
    this.statementStart = bytes.toString('latin1', at, Math.min(bytes.length, at + SHOWN));
    this.isInsert = startsWithWord(bytes, at, 'insert') || startsWithWord(bytes, at, 'replace');
    this.holding = true;
    this.depth = 0;
    this.rows = 0;
  }

  private endStatement(): void {
    if (this.inStatement && this.isInsert) {
      if (this.depth !== 0) this.refuse('rows that do not end');
      this.listener.inserted(insertedTable(this.insertHead), this.rows, /^\s*REPLACE\b/i.test(this.insertHead));
    }
    this.inStatement = false;
    this.readingRows = false;
    this.sent.end();
    this.clientKeeps = false;
    this.lineStart = false;
    this.mode = 'text';
    this.depth = 0;
  }

  /** Text of the row that ends here, where it may be none. */
  private readText(bytes: Buffer, end: number): void {
    if (Math.max(this.rowSuspicion, this.suspicionHere(bytes)) < (this.text.rank ?? 0) || this.rules.cutRows) return;
    const start = this.rowStart - this.offset;
    if (start < 0) this.text.read(this.sent.lastKept(-start));
    this.text.read(bytes.subarray(Math.max(start, 0), end));
  }

  private suspicionHere(bytes: Buffer): number {
    if (this.suspicion === -1) this.suspicion = suspicionOf(bytes);
    return this.suspicion;
  }

  private statementsBefore(next: NextStatement): Buffer[] {
    const statements = this.listener.before?.(next) ?? [];
    const delimiter = this.delimiter.toString('latin1');
    return statements.map((statement) => Buffer.from(`${statement}${delimiter}\n`));
  }

  private release(): void {
    this.held = [];
    this.heldBytes = 0;
    this.holding = false;
  }

  private decideInsert(head: Buffer): void {
    this.readingRows = true;
    this.insertHead = head.toString('latin1');
    const refused = this.judge.judgeRows(this.insertHead);
    if (refused !== undefined) this.refuse(refused);
    const values = /\bVALUES?\s*$/i.exec(this.insertHead)?.index;
    this.text.begin(insertedTable(this.insertHead), this.insertHead.slice(0, values), this.judge.settings);
  }

  private decideStatement(head: Buffer): Buffer[] {
    const original = head.toString('latin1');
    const statement = readAlike(original, this.lexis);
    const { tokens } = readSql(statement, this.lexis);
    const { text: withHead, created } = rewriteHead(statement, this.rules, iterate(tokens));
    const text = this.withNames(withHead, created);
    // Judged is what an import sends.
    const { disableEvents, cutDirectories, database } = this.rules;
    const sent =
      disableEvents && cutDirectories
        ? text
        : rewriteHead(text, { ...IMPORT_RULES, database }, iterate(readSql(text, this.lexis).tokens)).text;
    const before = this.statementsBefore({
      kind: 'other',
      firstWord: wordOf(tokens[0]),
      created,
      settings: this.judge.settings,
    });
    const { refused, longValue } = this.judge.judge(sent);
    if (longValue !== undefined) this.listener.longValue?.(undefined, longValue);
    this.lexis = this.judge.settings.lexis;
    if (refused !== undefined) this.refuse(refused);
    if (created?.kind === 'table') this.text.created(created.name, statement);
    this.listener.statement(statement, created, text);
    if (created?.kind === 'table' && this.listener.leavesGap?.(created.name)) this.gapBehind = created.name;
    // A piece of a row.
    if (longValue !== undefined && this.rules.cutRows) return [...before, NO_ROWS];
    return [...before, text === original ? head : Buffer.from(text, 'latin1')];
  }

  /** Names of databases in definitions: those of the dump's own follow it. */
  private withNames(statement: string, created: Created | undefined): string {
    const { database: name, newName, ignoreCase } = this.rules;
    if (name === undefined || (!created && !/^\s*ALTER\s/i.test(statement))) return statement;
    const place = { kind: created?.kind, lexis: this.lexis, charset: this.judge.settings.clientCharset };
    const names = readDefinition(statement, { name, newName, ignoreCase }, place);
    this.listener.named?.(created, names);
    return names.text;
  }

  /** Once a statement. */
  private refuse(what: string): void {
    if (this.refusedHere) return;
    this.refusedHere = true;
    this.listener.refused({ what, statement: this.statementStart, offset: this.statementOffset });
  }

  private refuseAt(bytes: Buffer, at: number, what: string): void {
    const statement = bytes.toString('latin1', at, Math.min(bytes.length, at + SHOWN));
    if (this.inStatement) this.refuse(what);
    else this.listener.refused({ what, statement, offset: this.offset + at });
  }

  /** White space between statements. Other control characters are none to everybody. */
  private skipBlanks(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte > SPACE) return at;
      if (byte === NEWLINE) {
        this.lineStart = true;
        continue;
      }
      this.clientKeeps = true;
      if (byte < SPACE && (byte < 9 || byte > 13)) this.refuseAt(bytes, at, 'a control character');
    }
    return at;
  }

  /** Rows: literals between parentheses, and nothing else. */
  private readRows(bytes: Buffer, start: number, end: number): number {
    let at = start;
    let before = at === 0 ? this.before : (bytes[at - 1] ?? 0);
    while (at < end) {
      const byte = bytes[at] ?? 0;
      if (PASSED_OVER[byte] === 1) {
        at += 1;
        before = byte;
      } else if (byte === SINGLE_QUOTE || (byte === DOUBLE_QUOTE && !this.lexis.ansiQuotes)) {
        this.mode = 'quote';
        this.outside = 'rows';
        this.quote = byte;
        return at + 1;
      } else if (IN_WORD[byte] === 1) {
        if (IN_WORD[before] === 1) {
          // A number that goes on: 0x… and 1e5.
          do at += 1;
          while (at < end && IN_WORD[bytes[at] ?? 0] === 1);
          before = bytes[at - 1] ?? 0;
          continue;
        }
        const word = this.depth > 0 ? endOfLiteralWord(bytes, at) : undefined;
        if (!word) {
          this.refuse('more than literals in rows');
          at += 1;
          before = byte;
          continue;
        }
        if (word.opens) this.depth += 1;
        at = word.end;
        before = SPACE;
      } else if (byte === OPEN) {
        if (this.depth === 0) {
          this.rows += 1;
          this.rowStart = this.offset + at;
          this.rowSuspicion = 0;
        }
        // An expression, or a function whose name looked like a number.
        else this.refuse('more than literals in rows');
        this.depth += 1;
        at += 1;
        before = byte;
      } else if (byte === CLOSE) {
        this.depth -= 1;
        if (this.depth < 0) this.refuse('rows that are no rows');
        at += 1;
        before = byte;
        if (this.depth === 0) {
          this.rowEnd = at;
          if (this.sent.inLongRow) return at;
          if (this.text.rank !== undefined) this.readText(bytes, at);
        }
      } else if (byte === AT && this.depth > 0 && IN_WORD[before] === 0) {
        const name = pieceNameAt(bytes, at + 1);
        if (name === undefined || !this.judge.settings.hasPieces(name)) this.refuse('more than literals in rows');
        at += 1 + (name?.length ?? 0);
        before = SPACE;
      } else if (byte === this.delimiter[0] && startsWith(bytes, at, this.delimiter)) {
        this.endStatement();
        return at + this.delimiter.length;
      } else if (startsComment(bytes, at) && bytes[at + 2] !== 43) {
        this.mode = byte === SLASH ? 'block comment' : 'line comment';
        this.outside = 'rows';
        return at + (byte === SLASH ? 2 : 1);
      } else {
        if (byte !== DASH || bytes[at + 1] === DASH) this.refuse('more than literals in rows');
        at += 1;
        before = byte;
      }
    }
    return at;
  }

  /** Returns where the quoted text ends, or where the chunk does. */
  private skipQuote(bytes: Buffer, start: number, end: number): number {
    const { quote } = this;
    const { backslashEscapes, ansiQuotes, highBytes } = this.lexis;
    const escapes = backslashEscapes && quote !== BACKTICK && !(ansiQuotes && quote === DOUBLE_QUOTE);
    if (highBytes === 'unknown, with second bytes that look like ASCII')
      return this.skipDoubtfulQuote(bytes, start, end, escapes);
    let at = start;
    // Most texts are short, and a loop is through them before a search has begun.
    const near = Math.min(end, start + SHORT_TEXT);
    while (at < near) {
      const byte = bytes[at];
      if (byte === quote) {
        // A doubled quote closes and opens again, which comes to the same.
        this.mode = this.outside;
        return at + 1;
      }
      if (escapes && byte === BACKSLASH) {
        if (bytes[at + 1] === 0) this.refuse('a backslash before a NUL');
        at += 2;
      } else at += 1;
    }
    let close = -1;
    while (at < end) {
      if (close < at) close = positionOf(quote, bytes, at);
      if (escapes && this.backslash < at) this.backslash = positionOf(BACKSLASH, bytes, at);
      if (escapes && this.backslash < close) {
        if (bytes[this.backslash + 1] === 0) this.refuse('a backslash before a NUL');
        at = this.backslash + 2;
      } else if (close < end) {
        this.mode = this.outside;
        return close + 1;
      } else return end;
    }
    return at;
  }

  /** In a character set whose letters may hold a backslash or a quote the client sees those, and the server letters. */
  private skipDoubtfulQuote(bytes: Buffer, start: number, end: number, escapes: boolean): number {
    const { quote } = this;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at];
      const afterLetter = (bytes[at - 1] ?? this.before) >= 0x80;
      if (byte === quote) {
        if (afterLetter && quote === BACKTICK) this.refuse('a quote that may be half a letter');
        this.mode = this.outside;
        return at + 1;
      }
      if (escapes && byte === BACKSLASH) {
        const next = bytes[at + 1] ?? 0;
        if (next === 0) this.refuse('a backslash before a NUL');
        if (afterLetter && (next === quote || next === BACKSLASH)) this.refuse('a backslash that may be half a letter');
        at += 1;
      }
    }
    // An escaped character may be the first one behind what is looked at.
    const escaped = escapes && bytes[end - 1] === BACKSLASH && !this.isEscaped(bytes, start, end - 1);
    return escaped ? end + 1 : end;
  }

  private isEscaped(bytes: Buffer, start: number, at: number): boolean {
    let backslashes = 0;
    while (at - backslashes - 1 >= start && bytes[at - backslashes - 1] === BACKSLASH) backslashes += 1;
    return backslashes % 2 === 1;
  }

  private skipBlockComment(bytes: Buffer, start: number, end: number): number {
    let star = bytes.indexOf(STAR, start);
    while (star !== -1 && star < end && bytes[star + 1] !== SLASH) star = bytes.indexOf(STAR, star + 1);
    const to = star === -1 || star >= end ? end : star + 2;
    this.lookForNul(bytes, start, to);
    // The client would take the end of this comment for that of the other.
    for (const mark of EXECUTABLE_MARKS) {
      const at = bytes.indexOf(mark, start);
      if (at !== -1 && at < to) this.refuseAt(bytes, start, 'an executable comment in a comment');
    }
    if (to !== end || (star !== -1 && star < end)) {
      this.mode = this.outside;
      this.lineStart = false;
    }
    return to;
  }

  private lookForNul(bytes: Buffer, from: number, to: number): void {
    const nul = bytes.indexOf(0, from);
    if (nul !== -1 && nul < to) this.refuseAt(bytes, from, 'a NUL in a comment');
  }

  /**
   * Follows `DELIMITER x`, and returns it in the one spelling of which the client thinks the same. It must begin its line.
   * Behind white space or a comment, which the client keeps for the next statement, it would not see it: that is ended first.
   */
  private followDelimiter(bytes: Buffer, start: number, end: number): Buffer {
    const line = bytes.toString('latin1', start, end);
    const delimiter = DELIMITER_LINE.exec(line)?.[1] ?? '';
    const isWhole = bytes[end] === NEWLINE || (end === bytes.length && end - start < LOOKAHEAD - 1);
    if (!isWhole || !this.lineStart || !DELIMITER.test(delimiter)) {
      this.refuseAt(bytes, start, 'DELIMITER');
      return bytes.subarray(start, end);
    }
    const kept = this.clientKeeps ? `${this.delimiter.toString('latin1')}\n` : '';
    this.clientKeeps = false;
    this.delimiter = Buffer.from(delimiter);
    this.special = specialBytes(delimiter);
    const spelled = `${line.slice(0, 'delimiter'.length)} ${delimiter}`;
    return kept === '' && spelled === line ? bytes.subarray(start, end) : Buffer.from(kept + spelled);
  }
}
