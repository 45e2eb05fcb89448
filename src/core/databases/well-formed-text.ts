import { isAscii, isUtf8 } from 'node:buffer';

/** From a state and a byte to the next state: 0 between two letters, -1 where no letter goes on so. */
type Step = (state: number, byte: number) => number;

/** How much of a piece of text has to be known before it is looked at byte by byte. */
export type Suspicion = 'always' | 'beyond ASCII' | 'four bytes' | 'no UTF-8';

/** A multi-byte character set: which bytes are letters of it, as MariaDB takes them. */
export interface Encoding {
  readonly step: Step;
  /** Text that is less suspicious than this is well-formed in any case. */
  readonly from: Suspicion;
}

const isBetween = (byte: number, from: number, to: number): boolean => byte >= from && byte <= to;

function utf8(longest: 3 | 4): Step {
  return (state, byte) => {
    switch (state) {
      case 0:
        if (byte < 0x80) return 0;
        if (isBetween(byte, 0xc2, 0xdf)) return 1;
        if (byte === 0xe0) return 3;
        if (isBetween(byte, 0xe1, 0xef)) return 2;
        if (longest === 3) return -1;
        return byte === 0xf0 ? 5 : isBetween(byte, 0xf1, 0xf3) ? 4 : byte === 0xf4 ? 6 : -1;
      case 3:
        return isBetween(byte, 0xa0, 0xbf) ? 1 : -1;
      case 5:
        return isBetween(byte, 0x90, 0xbf) ? 2 : -1;
      case 6:
        return isBetween(byte, 0x80, 0x8f) ? 2 : -1;
      default:
        // So many bytes that go on are to come: one, two, or (4) three.
        return isBetween(byte, 0x80, 0xbf) ? (state === 4 ? 2 : state - 1) : -1;
    }
  };
}

/** One byte for itself, or a first and a second one. */
function twoBytes(
  alone: (byte: number) => boolean,
  first: (b: number) => boolean,
  second: (b: number) => boolean,
): Step {
  return (state, byte) => (state === 1 ? (second(byte) ? 0 : -1) : alone(byte) ? 0 : first(byte) ? 1 : -1);
}

const isOfAscii = (byte: number): boolean => byte < 0x80;
const isHigh = (byte: number): boolean => isBetween(byte, 0xa1, 0xfe);

const shiftJis = twoBytes(
  (byte) => isOfAscii(byte) || isBetween(byte, 0xa1, 0xdf),
  (byte) => isBetween(byte, 0x81, 0x9f) || isBetween(byte, 0xe0, 0xfc),
  (byte) => isBetween(byte, 0x40, 0x7e) || isBetween(byte, 0x80, 0xfc),
);

/** Japanese in up to three bytes. */
const eucJapanese: Step = (state, byte) => {
  if (state === 0) return isOfAscii(byte) ? 0 : byte === 0x8e ? 1 : byte === 0x8f ? 2 : isHigh(byte) ? 3 : -1;
  if (state === 1) return isBetween(byte, 0xa1, 0xdf) ? 0 : -1;
  return isHigh(byte) ? (state === 2 ? 3 : 0) : -1;
};

const isHighSurrogate = (byte: number): boolean => isBetween(byte, 0xd8, 0xdb);
const isLowSurrogate = (byte: number): boolean => isBetween(byte, 0xdc, 0xdf);

const utf16: Step = (state, byte) => {
  if (state === 0) return isHighSurrogate(byte) ? 2 : isLowSurrogate(byte) ? -1 : 1;
  if (state === 3) return isLowSurrogate(byte) ? 1 : -1;
  return state === 2 ? 3 : 0;
};

const utf16le: Step = (state, byte) => {
  if (state === 0 || state === 2) return state + 1;
  if (state === 3) return isLowSurrogate(byte) ? 0 : -1;
  return isHighSurrogate(byte) ? 2 : isLowSurrogate(byte) ? -1 : 0;
};

const utf32: Step = (state, byte) => {
  if (state === 0) return byte === 0 ? 1 : -1;
  if (state === 1) return byte <= 0x10 ? 2 : -1;
  return state === 2 ? 3 : 0;
};

/** By name. In other character sets each byte is a letter, or kept as if it were. */
const ENCODINGS: Readonly<Record<string, Encoding>> = {
  utf8mb4: { step: utf8(4), from: 'no UTF-8' },
  utf8mb3: { step: utf8(3), from: 'four bytes' },
  utf8: { step: utf8(3), from: 'four bytes' },
  ucs2: { step: (state) => 1 - state, from: 'always' },
  utf16: { step: utf16, from: 'always' },
  utf16le: { step: utf16le, from: 'always' },
  utf32: { step: utf32, from: 'always' },
  sjis: { step: shiftJis, from: 'beyond ASCII' },
  cp932: { step: shiftJis, from: 'beyond ASCII' },
  ujis: { step: eucJapanese, from: 'beyond ASCII' },
  eucjpms: { step: eucJapanese, from: 'beyond ASCII' },
  gbk: {
    step: twoBytes(
      isOfAscii,
      (byte) => isBetween(byte, 0x81, 0xfe),
      (byte) => isBetween(byte, 0x40, 0x7e) || isBetween(byte, 0x80, 0xfe),
    ),
    from: 'beyond ASCII',
  },
  gb2312: { step: twoBytes(isOfAscii, (byte) => isBetween(byte, 0xa1, 0xf7), isHigh), from: 'beyond ASCII' },
  big5: {
    step: twoBytes(
      isOfAscii,
      (byte) => isBetween(byte, 0xa1, 0xf9),
      (byte) => isBetween(byte, 0x40, 0x7e) || isHigh(byte),
    ),
    from: 'beyond ASCII',
  },
  euckr: {
    step: twoBytes(
      isOfAscii,
      (byte) => isBetween(byte, 0x81, 0xfe),
      (byte) => isBetween(byte, 0x41, 0x5a) || isBetween(byte, 0x61, 0x7a) || isBetween(byte, 0x81, 0xfe),
    ),
    from: 'beyond ASCII',
  },
};

/** The encoding of a character set, by its name in lower case; undefined where all bytes are letters. */
export function encodingOf(charset: string): Encoding | undefined {
  return Object.hasOwn(ENCODINGS, charset) ? ENCODINGS[charset] : undefined;
}

const RANK: Readonly<Record<Suspicion, number>> = { always: 0, 'beyond ASCII': 1, 'four bytes': 2, 'no UTF-8': 3 };

/** How suspicious text has to be for a look at it, as a number; {@link suspicionOf} gives the other. */
export function rankOf({ from }: Encoding): number {
  return RANK[from];
}

const FOUR_BYTE_LETTERS = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4];

/**
 * How suspicious a part of a dump is, all of it. A letter that is cut off at an end says nothing: parts have to overlap there. Looks at
 * several gigabytes a second.
 */
export function suspicionOf(bytes: Buffer): number {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  let end = bytes.length;
  for (let back = 1; back <= 3 && back <= end - start; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    if (byte >= 0xc0) end = bytes.length - back;
    break;
  }
  return gradeOf(bytes.subarray(start, end));
}

/** The same of text that begins and ends with whole letters. */
export function gradeOf(bytes: Buffer): number {
  if (!isUtf8(bytes)) return RANK['no UTF-8'];
  if (FOUR_BYTE_LETTERS.some((byte) => bytes.includes(byte))) return RANK['four bytes'];
  return isAscii(bytes) ? RANK.always : RANK['beyond ASCII'];
}

/** Whether bytes are letters of an encoding, all of them. */
export function isWellFormed({ step }: Encoding, bytes: Uint8Array): boolean {
  let state = 0;
  for (let at = 0; at < bytes.length && state >= 0; at += 1) state = step(state, bytes[at] ?? 0);
  return state === 0;
}
