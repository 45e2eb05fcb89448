import { LongRow } from './long-row';
import type { Lexis } from './sql-tokens';

/** Rows that are longer than this go in pieces, and statements of more rows in several. */
export const LONG_ROW_BYTES = 4 * 1024 * 1024;
/** As {@link LONG_ROW_BYTES}, for a server that takes statements of so many bytes. */
export function longRowBytesFor(maxAllowedPacket: number): number {
  return Math.min(LONG_ROW_BYTES, Math.floor(maxAllowedPacket / 2));
}

/** Where rows stand in a piece of an INSERT, as far as the piece shows it. */
export interface RowsOfPiece {
  /** Behind the last row that has ended in the piece; not above 0 where none has. */
  readonly end: number;
  /** The beginning of the present row; below 0 where it began before the piece. */
  readonly start: number;
  /** The piece ends within a row. */
  readonly inRow: boolean;
}

/** Is shown the rows that go in pieces. */
export interface LongRowListener {
  readonly bytes: (bytes: Buffer) => void;
  /** Of the longest value, as far as it was read. */
  readonly longestValue: (bytes: number) => void;
}

const NONE = Buffer.alloc(0);
const LINE_END = Buffer.from('\n');

/**
 * Rows of a dump on their way to the server: whole ones are sent, what stands behind the last of them is kept back until it is known how
 * long its row is. An INSERT that grows too long is ended behind a row, and another one begun; a row that is too long by itself goes
 * in pieces. What goes out is what came in, but for that.
 */
export class SentRows {
  /** Bytes that are not sent yet. */
  private kept: Buffer[] = [];
  private keptBytes = 0;
  /** Bytes of rows that were sent by the present statement. */
  private sentBytes = 0;
  private longRow: LongRow | undefined;
  /** The INSERT was ended behind a row: the next row needs its head again. */
  private cutOff = false;
  private head: Buffer = NONE;
  private delimiter: Buffer = NONE;
  private lexis: Lexis | undefined;

  constructor(
    private readonly longRowBytes: number,
    private readonly listener: LongRowListener,
  ) {}

  /** The present row goes in pieces. */
  get inLongRow(): boolean {
    return this.longRow !== undefined;
  }

  /** The INSERT was ended behind a row, and no other one is begun. */
  get isCut(): boolean {
    return this.cutOff;
  }

  /** An INSERT begins. @param head what stands before its rows */
  begin(head: Buffer, delimiter: Buffer, lexis: Lexis): void {
    this.head = head;
    this.delimiter = delimiter;
    this.lexis = lexis;
    this.keepBack(head);
    this.sentBytes = 0;
  }

  /** Takes the next piece of its rows. Returns what can be sent. */
  take(piece: Buffer, { end, start, inRow }: RowsOfPiece): Buffer[] {
    if (this.longRow) return this.readLongRow(this.longRow, piece);
    const output: Buffer[] = [];
    let rest = piece;
    if (end > 0) {
      this.sentBytes += end + this.keptBytes;
      output.push(...this.flush(), piece.subarray(0, end));
      rest = piece.subarray(end);
      if (this.sentBytes > this.longRowBytes && this.canBeCut) {
        output.push(this.endOfStatement());
        this.sentBytes = 0;
        if (!inRow) {
          this.cutOff = true;
          return output;
        }
        this.keepBack(this.head);
        rest = piece.subarray(start);
      }
    }
    this.keepBack(rest);
    if (!inRow || this.keptBytes <= this.longRowBytes || !this.canBeCut || this.lexis === undefined) return output;
    const row = this.lastKept(piece.length - start);
    if (this.sentBytes > 0) output.push(this.endOfStatement());
    this.flush();
    this.longRow = new LongRow(this.head, this.delimiter, this.lexis);
    output.push(...this.readLongRow(this.longRow, row));
    return output;
  }

  /** The long row has ended, all of which was taken. Returns what is left to be sent of it. */
  endLongRow(): Buffer[] {
    const output = this.longRow?.end() ?? [];
    this.longRow = undefined;
    this.cutOff = true;
    return output;
  }

  /** Another row comes behind the one at which the INSERT was ended. */
  goOn(): void {
    this.keepBack(this.head);
    this.cutOff = false;
    this.sentBytes = 0;
  }

  /** The statement ends. */
  end(): void {
    this.cutOff = false;
  }

  /** What was kept back, which is sent now. */
  flush(): Buffer[] {
    const { kept } = this;
    this.kept = [];
    this.keptBytes = 0;
    return kept;
  }

  /** The last so many bytes that were kept back. */
  lastKept(count: number): Buffer {
    const kept = Buffer.concat(this.kept);
    return kept.subarray(kept.length - count);
  }

  /** Texts may be cut anywhere but within a letter, of UTF-8 alone. */
  private get canBeCut(): boolean {
    return this.lexis?.highBytes.startsWith('unknown') === false;
  }

  private readLongRow(row: LongRow, bytes: Buffer): Buffer[] {
    this.listener.bytes(bytes);
    const read = row.push(bytes);
    if (row.longestValue > 0) this.listener.longestValue(row.longestValue);
    return read;
  }

  private endOfStatement(): Buffer {
    return Buffer.concat([this.delimiter, LINE_END]);
  }

  private keepBack(bytes: Buffer): void {
    if (bytes.length > 0) this.kept.push(bytes);
    this.keptBytes += bytes.length;
  }
}
