import { OPEN } from './sql-bytes';

/* What may stand in the rows of an INSERT outside of quotes: literals. Read byte by byte, for rows are most of a dump. */

/** 1 for what goes on in a word or number. */
export const IN_WORD = new Uint8Array(256);
/** 1 for what says nothing between literals: white space, commas, digits, signs, the dot of a number. */
export const PASSED_OVER = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  const character = String.fromCharCode(byte);
  if (/[A-Za-z0-9_$.]/.test(character)) IN_WORD[byte] = 1;
  if (/[ \t\n\v\f\r,0-9.+]/.test(character)) PASSED_OVER[byte] = 1;
}

/** Words in the place of a value, or before the quotes of one. In lower case. */
const LITERALS = new Set(['null', 'default', 'true', 'false', 'x', 'b', 'n', 'date', 'time', 'timestamp']);

/** Functions that dump programs write around a literal. */
const FUNCTIONS = new Set(['st_geomfromtext', 'geomfromtext', 'st_geomfromwkb', 'geomfromwkb']);

/** The name of a charset before a text: `_binary 'x'`. */
const INTRODUCER = /^_[a-z0-9]+$/;

const LONGEST = 32;

/**
 * Reads the word at `at`: returns where it ends, behind the parenthesis where it is a function; undefined for a word
 * that is no literal.
 */
export function endOfLiteralWord(bytes: Buffer, at: number): { end: number; opens: boolean } | undefined {
  if (isNull(bytes, at)) return { end: at + 4, opens: false };
  let end = at + 1;
  while (end - at <= LONGEST && IN_WORD[bytes[end] ?? 0] === 1) end += 1;
  if (end - at > LONGEST) return undefined;
  const word = bytes.toString('latin1', at, end).toLowerCase();
  if (LITERALS.has(word) || INTRODUCER.test(word)) return { end, opens: false };
  if (!FUNCTIONS.has(word)) return undefined;
  return bytes[end] === OPEN ? { end: end + 1, opens: true } : undefined;
}

/** By far the most frequent one. */
function isNull(bytes: Buffer, at: number): boolean {
  return (
    bytes[at] === 78 &&
    bytes[at + 1] === 85 &&
    bytes[at + 2] === 76 &&
    bytes[at + 3] === 76 &&
    IN_WORD[bytes[at + 4] ?? 0] === 0
  );
}
