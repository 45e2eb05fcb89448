import { BACKSLASH, CLOSE, COMMA, DOUBLE_QUOTE, OPEN, SINGLE_QUOTE } from './sql-bytes';
import type { Lexis } from './sql-tokens';

/** A value of this many bytes goes in pieces, and so many the rest of its row may have. */
const PIECE_BYTES = 512 * 1024;
/** Behind so many bytes it is looked whether a piece is full. */
const READ_BYTES = 64 * 1024;
/** Names of the variables that hold the values of such a row. No dump program has any that begin so. */
export const PIECE_VARIABLE = /^kedge_[1-9]\d{0,3}$/;

/** `'`, `_binary '`: what opens a text. */
const TEXT_OPENS = /^(?:_[a-z0-9]{1,30}[ \t]*)?['"]/i;
const HEX = /^0x[0-9a-f]+$/i;

/**
 * A row too long for one statement, given byte for byte as it stands in the dump: its long values are gathered in variables of the
 * session, piece by piece, and the row is inserted with these. Texts in quotes and hexadecimal values can be cut; what
 * cannot stays in the INSERT.
 */
export class LongRow {
  private readonly output: Buffer[] = [];
  /** Finished values, in full or as variables. */
  private readonly values: Buffer[] = [];
  private inline = 0;
  private variables = 0;
  /** The value that is being read. */
  private value: Buffer[] = [];
  private valueBytes = 0;
  /** What opens its text, once it is known. */
  private opens = '';
  /** Pieces of it were written. */
  private inPieces = false;
  private depth = 0;
  private quote = 0;
  private escaped = false;
  /** Bytes of the value, without quotes and escapes, that are written already. */
  private writtenBytes = 0;
  private longest = 0;

  constructor(
    private readonly head: Buffer,
    private readonly delimiter: Buffer,
    private readonly lexis: Lexis,
  ) {}

  /** Bytes of the longest value that is gathered in a variable, as far as it was read. */
  get longestValue(): number {
    return this.longest;
  }

  /** Takes the next bytes of the row, from its parenthesis on. Returns what can be sent. */
  push(bytes: Buffer): Buffer[] {
    for (let at = 0; at < bytes.length; at += READ_BYTES) this.read(bytes.subarray(at, at + READ_BYTES));
    return this.output.splice(0);
  }

  private read(bytes: Buffer): void {
    let from = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (this.escaped) this.escaped = false;
      else if (this.quote !== 0) {
        if (byte === BACKSLASH && this.lexis.backslashEscapes) this.escaped = true;
        else if (byte === this.quote) this.quote = 0;
      } else if (byte === SINGLE_QUOTE || byte === DOUBLE_QUOTE) this.quote = byte;
      else if (byte === OPEN) {
        this.depth += 1;
        if (this.depth === 1) from = at + 1;
      } else if (byte === CLOSE) {
        this.depth -= 1;
        if (this.depth === 0) this.endValue(bytes.subarray(from, at));
      } else if (byte === COMMA && this.depth === 1) {
        this.endValue(bytes.subarray(from, at));
        from = at + 1;
      }
    }
    if (this.depth > 0) {
      this.take(bytes.subarray(from));
      if (this.valueBytes > PIECE_BYTES) this.cut();
    }
  }

  /** Behind the row. Returns what is left to be sent. */
  end(): Buffer[] {
    const end = Buffer.concat([this.delimiter, Buffer.from('\n')]);
    this.output.push(this.head, Buffer.from('('));
    for (const [index, value] of this.values.entries()) {
      if (index > 0) this.output.push(Buffer.from(','));
      this.output.push(value);
    }
    this.output.push(Buffer.from(')'), end);
    if (this.variables > 0) {
      const freed = Array.from({ length: this.variables }, (_each, index) => `@kedge_${index + 1}=NULL`);
      this.output.push(Buffer.from(`SET ${freed.join(', ')}`), end);
    }
    return this.output.splice(0);
  }

  private take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.value.push(bytes);
    this.valueBytes += bytes.length;
  }

  private endValue(bytes: Buffer): void {
    this.take(bytes);
    const whole = Buffer.concat(this.value);
    const start = whole.toString('latin1', 0, 80).trimStart();
    const isLong = this.inPieces || this.inline + whole.length > PIECE_BYTES;
    if (isLong && (this.inPieces || this.canBeCut(start, whole))) {
      this.writePiece(whole);
      this.values.push(Buffer.from(`@kedge_${this.variables}`));
    } else {
      this.values.push(whole);
      this.inline += whole.length;
    }
    this.value = [];
    this.valueBytes = 0;
    this.opens = '';
    this.inPieces = false;
    this.writtenBytes = 0;
  }

  /** Only texts and numbers of short values: what is long is one literal alone. */
  private canBeCut(start: string, whole: Buffer): boolean {
    if (TEXT_OPENS.test(start)) return /['"]\s*$/.test(whole.toString('latin1', Math.max(0, whole.length - 20)));
    return /^0x/i.test(start) && HEX.test(whole.toString('latin1').trim());
  }

  /** Writes what there is of a value as a piece, up to where it can be cut. */
  private cut(): void {
    const whole = Buffer.concat(this.value);
    if (!this.inPieces) {
      const start = whole.toString('latin1', 0, 80).trimStart();
      const text = TEXT_OPENS.exec(start)?.[0];
      if (text === undefined && !/^0x/i.test(start)) return;
      this.opens = text ?? '0x';
    }
    let end = whole.length;
    if (this.opens === '0x') {
      const blanks = /^\s*/.exec(whole.toString('latin1', 0, 80))?.[0].length ?? 0;
      // Two digits a byte.
      end -= (end - blanks) % 2;
    } else {
      // Between a quote and the next byte nobody knows whether the text has ended.
      if (this.quote === 0) return;
      if (this.escaped) end -= 1;
      // Not within a letter of UTF-8.
      for (let back = 0; back < 3 && ((whole[end - 1] ?? 0) & 0xc0) === 0x80; back += 1) end -= 1;
      if ((whole[end - 1] ?? 0) >= 0xc0) end -= 1;
      // A backslash must not lose what it escapes.
      if (this.lexis.backslashEscapes && endsInEscape(whole, end)) end -= 1;
    }
    const closes = this.opens === '0x' ? '' : this.opens.slice(-1);
    this.writePiece(Buffer.concat([whole.subarray(0, end), Buffer.from(closes)]));
    const rest = Buffer.concat([Buffer.from(this.opens), whole.subarray(end)]);
    this.value = [rest];
    this.valueBytes = rest.length;
  }

  private writePiece(literal: Buffer): void {
    const trimmed = literal.toString('latin1').trim();
    this.writtenBytes += valueBytes(trimmed, this.lexis);
    this.longest = Math.max(this.longest, this.writtenBytes);
    if (this.inPieces) {
      const name = `@kedge_${this.variables}`;
      this.output.push(Buffer.from(`SET ${name}=CONCAT(${name},${trimmed})`, 'latin1'));
    } else {
      this.variables += 1;
      this.inPieces = true;
      this.output.push(Buffer.from(`SET @kedge_${this.variables}=${trimmed}`, 'latin1'));
    }
    this.output.push(this.delimiter, Buffer.from('\n'));
  }
}

/** An odd number of backslashes stands before `end`. */
function endsInEscape(bytes: Buffer, end: number): boolean {
  let backslashes = 0;
  while (bytes[end - 1 - backslashes] === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

/** Bytes of the value that a literal in latin1 stands for. */
export function valueBytes(literal: string, { backslashEscapes }: Pick<Lexis, 'backslashEscapes'>): number {
  if (/^0x/i.test(literal)) return Math.ceil((literal.length - 2) / 2);
  const opens = TEXT_OPENS.exec(literal)?.[0] ?? '';
  const quote = opens.charCodeAt(opens.length - 1);
  let bytes = 0;
  for (let at = opens.length; at < literal.length - 1; at += 1) {
    const character = literal.charCodeAt(at);
    if (character === BACKSLASH ? backslashEscapes : character === quote && literal.charCodeAt(at + 1) === quote)
      at += 1;
    bytes += 1;
  }
  return bytes;
}
