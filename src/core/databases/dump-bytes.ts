import { IN_WORD } from './insert-rows';
import { PIECE_VARIABLE } from './long-row';
import {
  BACKTICK,
  CLOSE,
  COMMA,
  DASH,
  DOUBLE_QUOTE,
  HASH,
  NEWLINE,
  OPEN,
  SINGLE_QUOTE,
  SLASH,
  SPACE,
  STAR,
} from './sql-bytes';

/* What begins, or has ended, at a byte of a dump, as the client that imports it sees it. */

/** Bytes held back at the end of a chunk, so that no decision needs more than is there. */
export const LOOKAHEAD = 96;

/** Where a byte stands next; behind the end when it does not come. */
export function positionOf(byte: number, bytes: Buffer, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

/** 1 for bytes that mean something in the text of a statement, with this delimiter in force. */
export function specialBytes(delimiter: string): Uint8Array {
  const special = new Uint8Array(256);
  for (const byte of [SINGLE_QUOTE, DOUBLE_QUOTE, BACKTICK, OPEN, CLOSE, DASH, HASH, SLASH]) special[byte] = 1;
  special[delimiter.charCodeAt(0)] = 1;
  return special;
}

/** Whether the text stands here. */
export function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) if (bytes[at + index] !== text[index]) return false;
  return true;
}

/** As {@link startsWith}, of a word in lower case, however it is written. */
export function startsWithWord(bytes: Buffer, at: number, word: string): boolean {
  return bytes.toString('latin1', at, at + word.length).toLowerCase() === word;
}

/** `-- `, `#` and block comments; not `/*!` and `/*M!`, whose text the server executes. */
export function startsComment(bytes: Buffer, at: number): boolean {
  const byte = bytes[at];
  if (byte === HASH) return true;
  if (byte === DASH) {
    const after = bytes[at + 2] ?? NEWLINE;
    return bytes[at + 1] === DASH && (after === SPACE || (after >= 9 && after <= 13));
  }
  if (byte !== SLASH || bytes[at + 1] !== STAR) return false;
  const mark = String.fromCharCode(bytes[at + 2] ?? 0, bytes[at + 3] ?? 0);
  return !mark.startsWith('!') && mark !== 'M!';
}

/** White space and the comma between two rows. */
export function isBetweenRows(byte: number): boolean {
  return byte === COMMA || byte === SPACE || (byte >= 9 && byte <= 13);
}

/** The name of a variable that holds a value in pieces, as Kedge spells it; undefined where another begins, or none. */
export function pieceNameAt(bytes: Buffer, at: number): string | undefined {
  let end = at;
  while (end - at < 16 && IN_WORD[bytes[end] ?? 0] === 1) end += 1;
  const name = bytes.toString('latin1', at, end);
  return PIECE_VARIABLE.test(name) ? name : undefined;
}

/** `DELIMITER`, which the client itself obeys. */
export function isDelimiterCommand(bytes: Buffer, at: number): boolean {
  const after = bytes[at + 'delimiter'.length] ?? SPACE;
  return after <= SPACE && startsWithWord(bytes, at, 'delimiter');
}

/** As far as anybody looks: a line with DELIMITER is shorter. */
export function endOfLine(bytes: Buffer, at: number): number {
  const newline = positionOf(NEWLINE, bytes, at);
  return Math.min(newline, at + LOOKAHEAD - 1, bytes.length);
}

/** The text of the statement so far ends with VALUES: what follows are rows, not the list of columns. */
export function followsValues(held: readonly Buffer[], bytes: Buffer, from: number, at: number): boolean {
  let text = bytes.toString('latin1', Math.max(from, at - 16), at);
  for (let index = held.length - 1; index >= 0 && text.length < 16; index -= 1) {
    text = (held[index]?.toString('latin1') ?? '').slice(-16) + text;
  }
  return /values?\s*$/i.test(text);
}
