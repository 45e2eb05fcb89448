/**
 * Reads a dump the way the client that imports it does: strings, quoted names, comments and the DELIMITER in force, so that
 * it knows where statements begin and never takes data or the body of a routine for one. Bytes pass through unchanged
 * but for what the listener puts in the place of a statement's head.
 */
export interface DumpListener {
  /**
   * The first bytes of a statement other than INSERT: all of it, or {@link HEAD_LIMIT} bytes when it is longer.
   * What it returns stands in their place.
   */
  statement(head: Buffer): Buffer;
  /** An INSERT or REPLACE has ended: its bytes up to the first row, and how many rows it held. */
  inserted(head: Buffer, rows: number): void;
  /** The line that dump programs write last. What it returns is put before it. */
  trailer(): Buffer | undefined;
}

/** Definers and the switch of an event stand well before this many bytes. */
export const HEAD_LIMIT = 64 * 1024;

/** Bytes held back at the end of a chunk, so that no decision needs more than is there. */
const LOOKAHEAD = 48;

type Mode = 'text' | 'quote' | 'line comment' | 'block comment';

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const HASH = 35;
const SINGLE_QUOTE = 39;
const OPEN = 40;
const CLOSE = 41;
const STAR = 42;
const DASH = 45;
const SLASH = 47;
const BACKSLASH = 92;
const BACKTICK = 96;

const SHORT_TEXT = 64;
const DELIMITER_WORD = 'delimiter';
const TRAILER = '-- Dump completed';

export class DumpScanner {
  private mode: Mode = 'text';
  private quote = 0;
  /** The next backslash of the chunk, as far as it was looked for: each is looked for once. */
  private backslash = -1;
  private carry: Buffer = Buffer.alloc(0);
  private delimiter: Buffer = Buffer.from(';');
  /** 1 for bytes that mean something in the text of a statement. */
  private special = specialBytes(';');
  private backslashEscapes = true;
  private ansiQuotes = false;

  private inStatement = false;
  private isInsert = false;
  /** The head of the statement is not complete: its bytes are kept back. */
  private holding = false;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private insertHead: Buffer = Buffer.alloc(0);
  private depth = 0;
  private rows = 0;
  private trailerIsLast = false;

  constructor(private readonly listener: DumpListener) {}

  /** True when the last thing in the dump is the trailer. */
  get complete(): boolean {
    return this.trailerIsLast;
  }

  push(chunk: Buffer): Buffer[] {
    return this.scan(chunk, false);
  }

  end(): Buffer[] {
    return this.scan(Buffer.alloc(0), true);
  }

  private scan(chunk: Buffer, last: boolean): Buffer[] {
    const bytes = this.carry.length === 0 ? chunk : Buffer.concat([this.carry, chunk]);
    const end = last ? bytes.length : bytes.length - LOOKAHEAD;
    const output: Buffer[] = [];
    this.backslash = -1;
    /** Start of the bytes that are neither emitted nor held yet. */
    let from = 0;
    let at = 0;

    const emit = (to: number): void => {
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
    const takeHead = (to: number): Buffer => {
      hold(to);
      const head = this.held.length === 1 ? (this.held[0] ?? Buffer.alloc(0)) : Buffer.concat(this.held);
      this.held = [];
      this.heldBytes = 0;
      this.holding = false;
      return head;
    };
    const decide = (to: number): void => {
      const head = takeHead(to);
      if (this.isInsert) {
        this.insertHead = Buffer.from(head);
        output.push(head);
      } else {
        this.followSqlMode(head);
        output.push(this.listener.statement(head));
      }
    };

    while (at < end) {
      if (this.mode === 'quote') {
        at = this.skipQuote(bytes, at, end);
      } else if (this.mode === 'line comment') {
        const newline = bytes.indexOf(NEWLINE, at);
        if (newline === -1 || newline >= end) at = end;
        else {
          at = newline + 1;
          this.mode = 'text';
        }
      } else if (this.mode === 'block comment') {
        at = this.skipBlockComment(bytes, at, end);
      } else {
        // Text. The bytes that mean nothing here are most of it.
        const { special } = this;
        if (this.inStatement) while (at < end && special[bytes[at] ?? 0] === 0) at += 1;
        else while (at < end && (bytes[at] ?? 0) <= SPACE) at += 1;
        if (at >= end) break;
        const byte = bytes[at] ?? 0;

        if (byte === this.delimiter[0] && startsWith(bytes, at, this.delimiter)) {
          if (this.holding) decide(at);
          if (this.inStatement && this.isInsert) this.listener.inserted(this.insertHead, this.rows);
          this.inStatement = false;
          at += this.delimiter.length;
        } else if (startsComment(bytes, at)) {
          if (!this.inStatement && startsWith(bytes, at, TRAILER_BYTES)) {
            const before = this.listener.trailer();
            emit(at);
            if (before) output.push(before);
            this.trailerIsLast = true;
          }
          this.mode = byte === SLASH ? 'block comment' : 'line comment';
          at += byte === SLASH ? 2 : 1;
        } else if (!this.inStatement && isDelimiterCommand(bytes, at)) {
          at = this.readDelimiter(bytes, at);
          this.mode = 'line comment';
        } else {
          if (!this.inStatement) {
            emit(at);
            this.beginStatement(bytes, at);
          }
          if (byte === SINGLE_QUOTE || byte === DOUBLE_QUOTE || byte === BACKTICK) {
            this.mode = 'quote';
            this.quote = byte;
          } else if (this.isInsert && byte === OPEN) {
            if (this.depth === 0) {
              if (this.holding && followsValues(this.held, bytes, from, at)) decide(at);
              if (!this.holding) this.rows += 1;
            }
            this.depth += 1;
          } else if (this.isInsert && byte === CLOSE) this.depth -= 1;
          at += 1;
        }
      }
      if (this.holding && this.heldBytes + at - from > HEAD_LIMIT) decide(at);
    }

    if (last) {
      if (this.holding) decide(bytes.length);
      if (this.inStatement && this.isInsert) this.listener.inserted(this.insertHead, this.rows);
      this.inStatement = false;
      emit(bytes.length);
      this.carry = Buffer.alloc(0);
      return output;
    }
    if (at > 0) {
      if (this.holding) hold(at);
      else emit(at);
    }
    this.carry = bytes.subarray(Math.max(at, 0));
    return output;
  }

  private beginStatement(bytes: Buffer, at: number): void {
    this.inStatement = true;
    this.trailerIsLast = false;
    this.isInsert = startsWithWord(bytes, at, 'insert') || startsWithWord(bytes, at, 'replace');
    this.holding = true;
    this.depth = 0;
    this.rows = 0;
  }

  /** Returns where the quoted text ends, or where the chunk does. */
  private skipQuote(bytes: Buffer, start: number, end: number): number {
    const { quote } = this;
    const escapes = this.backslashEscapes && quote !== BACKTICK && !(this.ansiQuotes && quote === DOUBLE_QUOTE);
    let at = start;
    // Most texts are short, and a loop is through them before a search has begun.
    const near = Math.min(end, start + SHORT_TEXT);
    while (at < near) {
      const byte = bytes[at];
      if (byte === quote) {
        // A doubled quote closes and opens again, which comes to the same.
        this.mode = 'text';
        return at + 1;
      }
      at += escapes && byte === BACKSLASH ? 2 : 1;
    }
    let close = -1;
    while (at < end) {
      if (close < at) close = positionOf(quote, bytes, at);
      if (escapes && this.backslash < at) this.backslash = positionOf(BACKSLASH, bytes, at);
      if (escapes && this.backslash < close) at = this.backslash + 2;
      else if (close < end) {
        this.mode = 'text';
        return close + 1;
      } else return end;
    }
    return at;
  }

  private skipBlockComment(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at += 1) {
      if (bytes[at] === STAR && bytes[at + 1] === SLASH) {
        this.mode = 'text';
        return at + 2;
      }
    }
    return end;
  }

  private readDelimiter(bytes: Buffer, start: number): number {
    let at = start + DELIMITER_WORD.length;
    while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
    const wordStart = at;
    while (at < bytes.length && (bytes[at] ?? 0) > SPACE && at - wordStart < 16) at += 1;
    if (at > wordStart) {
      this.delimiter = Buffer.from(bytes.subarray(wordStart, at));
      this.special = specialBytes(this.delimiter.toString('latin1'));
    }
    return at;
  }

  /** A body is written in the sql_mode its author had, and the dump sets that mode before it. */
  private followSqlMode(head: Buffer): void {
    if (head.length > 4096 || !/sql_mode/i.test(head.toString('latin1', 0, 512))) return;
    const settings = head.toString('latin1').matchAll(/(?<![@\w])(?:@@(?:session\.)?)?sql_mode\s*=\s*('[^']*'|@)/gi);
    for (const [, value = ''] of settings) {
      this.backslashEscapes = !/NO_BACKSLASH_ESCAPES/i.test(value);
      this.ansiQuotes = /ANSI/i.test(value);
    }
  }
}

/** Where a byte stands next; behind the end when it does not come. */
function positionOf(byte: number, bytes: Buffer, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

const TRAILER_BYTES = Buffer.from(TRAILER);

function specialBytes(delimiter: string): Uint8Array {
  const special = new Uint8Array(256);
  for (const byte of [SINGLE_QUOTE, DOUBLE_QUOTE, BACKTICK, OPEN, CLOSE, DASH, HASH, SLASH]) special[byte] = 1;
  special[delimiter.charCodeAt(0)] = 1;
  return special;
}

function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) if (bytes[at + index] !== text[index]) return false;
  return true;
}

function startsWithWord(bytes: Buffer, at: number, word: string): boolean {
  return bytes.toString('latin1', at, at + word.length).toLowerCase() === word;
}

/** `-- `, `#` and block comments; not `/*!` and `/*M!`, whose text the server executes. */
function startsComment(bytes: Buffer, at: number): boolean {
  const byte = bytes[at];
  if (byte === HASH) return true;
  if (byte === DASH) return bytes[at + 1] === DASH && (bytes[at + 2] ?? 0) <= SPACE;
  if (byte !== SLASH || bytes[at + 1] !== STAR) return false;
  const mark = String.fromCharCode(bytes[at + 2] ?? 0, bytes[at + 3] ?? 0);
  return !mark.startsWith('!') && mark !== 'M!';
}

function isDelimiterCommand(bytes: Buffer, at: number): boolean {
  const after = bytes[at + DELIMITER_WORD.length];
  return (after === SPACE || after === TAB) && startsWithWord(bytes, at, DELIMITER_WORD);
}

/** The text of the statement so far ends with VALUES: what follows are rows, not the list of columns. */
function followsValues(held: readonly Buffer[], bytes: Buffer, from: number, at: number): boolean {
  let text = bytes.toString('latin1', Math.max(from, at - 16), at);
  for (let index = held.length - 1; index >= 0 && text.length < 16; index -= 1) {
    text = (held[index]?.toString('latin1') ?? '').slice(-16) + text;
  }
  return /values?\s*$/i.test(text);
}
