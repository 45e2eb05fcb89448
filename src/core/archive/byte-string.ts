import { printable } from '../../contract/printable';

/** Bytes as a string of one character each (latin1): names are compared and kept so, and never decoded. */
export type ByteString = string;

const SHOWN_CHARACTERS = 200;

export function bytesOf(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A text of our own as bytes: in UTF-8. */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * A name for people to read: UTF-8 where it is that, all else escaped, so that no byte of it acts on a terminal. At most 200 characters.
 */
export function shown(name: ByteString): string {
  let text = '';
  for (let at = 0, count = 0; at < name.length; count += 1) {
    if (count === SHOWN_CHARACTERS) return `${text}…`;
    const first = name.charCodeAt(at);
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const bytes = name.slice(at, at + length);
    const character = bytesOf(bytes).toString('utf8');
    // What is no UTF-8 does not come back.
    const isCharacter = byteString(character) === bytes;
    text += isCharacter ? escaped(character) : `\\x${first.toString(16).padStart(2, '0')}`;
    at += isCharacter ? length : 1;
  }
  return text;
}

function escaped(character: string): string {
  return character === '\\' || character === '"' ? `\\${character}` : printable(character);
}
