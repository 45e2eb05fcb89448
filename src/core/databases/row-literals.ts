/** How a value is written: as the number it is read as, as its bytes, or as text that has no other character set. */
export type ValueForm = 'number' | 'bytes' | 'text';

const NULL = Buffer.from('NULL');
const QUOTE = Buffer.from("'");
const INTRODUCED_QUOTE = Buffer.from("_utf8mb4'");

/** What stands behind the backslash for each byte that is escaped; 0 for the others. */
const ESCAPED = new Uint8Array(256);
for (const [character, letter] of Object.entries({
  '\0': '0',
  '\n': 'n',
  '\r': 'r',
  '\u001a': 'Z',
  "'": "'",
  '"': '"',
  '\\': '\\',
}))
  ESCAPED[character.charCodeAt(0)] = letter.charCodeAt(0);

/** A value of a row as a literal: for a session without NO_BACKSLASH_ESCAPES whose statements are sent as binary. */
export function rowLiteral(value: Buffer | null, form: ValueForm): Buffer {
  if (value === null) return NULL;
  if (form === 'number') return value;
  return Buffer.concat([form === 'text' ? INTRODUCED_QUOTE : QUOTE, escapeBytes(value), QUOTE]);
}

/** Bytes as they stand between quotes. */
function escapeBytes(bytes: Buffer): Buffer {
  let escapes = 0;
  for (let at = 0; at < bytes.length; at += 1) if (ESCAPED[bytes[at] ?? 0] !== 0) escapes += 1;
  if (escapes === 0) return bytes;
  const escaped = Buffer.allocUnsafe(bytes.length + escapes);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    const letter = ESCAPED[byte] ?? 0;
    if (letter === 0) {
      escaped[to] = byte;
      to += 1;
    } else {
      escaped[to] = 0x5c;
      escaped[to + 1] = letter;
      to += 2;
    }
  }
  return escaped;
}
