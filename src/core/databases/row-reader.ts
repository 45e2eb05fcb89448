import { BACKSLASH, CLOSE, COMMA, DOUBLE_QUOTE, OPEN, SINGLE_QUOTE } from './sql-bytes';
import type { Lexis } from './sql-tokens';
import { type Encoding, gradeOf, rankOf } from './well-formed-text';

/** What stands behind a backslash for these bytes. Any other stands for itself. */
const UNESCAPED = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) UNESCAPED[byte] = byte;
for (const [letter, byte] of [
  ['0', 0],
  ['b', 8],
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['Z', 26],
] as const)
  UNESCAPED[letter.charCodeAt(0)] = byte;

/**
 * Reads the values of rows, `(1,'text'),(…)`, and tells which are texts that are not well-formed. Rows come in parts of any size, and
 * memory stays the same.
 */
export class RowReader {
  private depth = 0;
  private index = 0;
  /** The quote that the present text stands in; 0 outside. */
  private quote = 0;
  /** The quote that was the last byte: twice it is a letter of the text. */
  private closed = 0;
  private escaped = false;
  /** Something stands before the quotes of the value that says what it is: `_binary '…'`. */
  private introduced = false;
  /** Of the text that is looked at. */
  private state = 0;
  private illFormed: number[] = [];

  /**
   * @param encodings of the values of a row; undefined for those that are not looked at
   * @param found is called with the place of an ill-formed text in its row
   */
  constructor(
    private readonly encodings: readonly (Encoding | undefined)[],
    private readonly lexis: Pick<Lexis, 'backslashEscapes' | 'ansiQuotes'>,
    private readonly found: (index: number) => void,
  ) {}

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) at = this.quote === 0 ? this.readOutside(bytes, at) : this.readText(bytes, at);
  }

  private readOutside(bytes: Buffer, at: number): number {
    const byte = bytes[at] ?? 0;
    if (byte === this.closed) {
      this.quote = byte;
      this.closed = 0;
      this.take(byte);
      return at + 1;
    }
    this.closed = 0;
    if (byte === SINGLE_QUOTE || (byte === DOUBLE_QUOTE && !this.lexis.ansiQuotes)) this.quote = byte;
    else if (byte === OPEN) {
      this.depth += 1;
      if (this.depth === 1) this.beginRow();
    } else if (byte === CLOSE) {
      if (this.depth === 1) this.endRow();
      this.depth -= 1;
    } else if (byte === COMMA && this.depth === 1) this.endValue();
    // White space says nothing.
    else if (byte > 32) this.introduced = true;
    return at + 1;
  }

  /** Up to the end of the text, or of what there is of it. */
  private readText(bytes: Buffer, start: number): number {
    const escapes = this.lexis.backslashEscapes;
    let end = start;
    if (this.escaped) end += 1;
    for (;;) {
      const found = bytes.indexOf(this.quote, end);
      end = found === -1 ? bytes.length : found;
      let backslashes = 0;
      const from = start + (this.escaped ? 1 : 0);
      if (escapes) while (end - 1 - backslashes >= from && bytes[end - 1 - backslashes] === BACKSLASH) backslashes += 1;
      const isEscaped = backslashes % 2 === 1;
      if (found !== -1 && isEscaped) {
        end += 1;
        continue;
      }
      this.look(bytes, start, end);
      this.escaped = found === -1 && isEscaped;
      if (found === -1) return end;
      this.closed = this.quote;
      this.quote = 0;
      return end + 1;
    }
  }

  /** A part of a text as it stands in the dump, `this.escaped` when a backslash stood before it. */
  private look(bytes: Buffer, start: number, end: number): void {
    const { encoding } = this;
    if (encoding === undefined) return;
    // Nearly all is seen to be right at once.
    if (this.state === 0 && !this.escaped && gradeOf(bytes.subarray(start, end)) < rankOf(encoding)) return;
    for (let at = start; at < end; at += 1) {
      let byte = bytes[at] ?? 0;
      if (this.escaped) {
        byte = UNESCAPED[byte] ?? byte;
        this.escaped = false;
      } else if (byte === BACKSLASH && this.lexis.backslashEscapes) {
        this.escaped = true;
        continue;
      }
      this.take(byte);
    }
  }

  private get encoding(): Encoding | undefined {
    return this.introduced || this.depth !== 1 ? undefined : this.encodings[this.index];
  }

  private take(byte: number): void {
    const { encoding } = this;
    if (encoding !== undefined && this.state >= 0) this.state = encoding.step(this.state, byte);
  }

  private beginRow(): void {
    this.index = 0;
    this.illFormed = [];
    this.beginValue();
  }

  private beginValue(): void {
    this.state = 0;
    this.introduced = false;
    this.closed = 0;
  }

  private endValue(): void {
    if (this.state !== 0) this.illFormed.push(this.index);
    this.index += 1;
    this.beginValue();
  }

  private endRow(): void {
    this.endValue();
    // Of a row with other values than columns nobody knows which is which.
    if (this.index === this.encodings.length) for (const index of this.illFormed) this.found(index);
  }
}
