import { invalid, refused } from './fault';
import type { ByteString } from './byte-string';

export const BLOCK = 512;

/** One header block, as it stands there. */
export interface TarHeader {
  /** Type flag. */
  readonly type: string;
  readonly name: ByteString;
  readonly linkName: ByteString;
  /** Permission bits, including setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970; may be negative. */
  readonly modified: number;
}

/** Fields of a header: where each begins and how long it is. POSIX.1-1988 `ustar`, and GNU tar's `tar.h`. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  modified: [136, 12],
  checksum: [148, 8],
  linkName: [157, 100],
  magic: [257, 8],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
  /** A shorter prefix, and behind it times of access and change, as npm's tar writes them. */
  shortPrefix: [345, 131],
  timesBehindIt: [476, 24],
  /** Behind what each of the formats knows. */
  rest: [500, 12],
  /** In the place of a prefix: times of access and change, as GNU tar writes them for incremental archives. */
  gnuTimes: [345, 24],
  gnuRest: [369, 131],
  /** What came after the seventh edition of Unix, but for numbers of devices, which GNU tar writes there all the same. */
  v7Names: [257, 72],
  v7Rest: [345, 167],
} as const satisfies Record<string, readonly [number, number]>;
type Field = readonly [number, number];

const USTAR_MAGIC = 'ustar\x0000';
const GNU_MAGIC = 'ustar  \0';
const NO_MAGIC = '\0'.repeat(8);

const PLAIN_OCTAL = /^ *([0-7]+)[ \0]*$/;
const BLANK = /^[ \0]*$/;
const PERMISSIONS = 0o7777;
/** Bits of the kind of file, which old programs put into the mode too. */
const FILE_KIND = 0o170000;
/** The last is what `chown` takes for "leave it". */
const MAXIMUM_ID = 0xfffffffe;

/** True for a block of zeros, of which two end an archive. */
export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}
const ZEROS = Buffer.alloc(64 * 1024);

/** True when the checksum of a header is that of its bytes; anything but plain octal in its place is no checksum. */
export function hasChecksum(block: Buffer): boolean {
  const stated = PLAIN_OCTAL.exec(text(block, FIELDS.checksum))?.[1];
  return stated !== undefined && Number.parseInt(stated, 8) === checksumOf(block);
}

/** Sum of all bytes, those of the checksum taken for spaces. */
export function checksumOf(block: Buffer): number {
  const [begin, length] = FIELDS.checksum;
  let sum = length * 0x20;
  for (let at = 0; at < begin; at += 1) sum += block[at] ?? 0;
  for (let at = begin + length; at < BLOCK; at += 1) sum += block[at] ?? 0;
  return sum;
}

/** @throws ArchiveFault for a block that is no header, or one that can be read in two ways */
export function decodeHeader(block: Buffer): TarHeader {
  if (!hasChecksum(block)) throw invalid('the checksum of a header is wrong');
  const magic = text(block, FIELDS.magic);
  const prefix = magic === USTAR_MAGIC ? prefixOf(block) : '';
  if (magic === GNU_MAGIC) {
    if (!areTimes(block, FIELDS.gnuTimes) || !isZero(field(block, FIELDS.gnuRest)))
      throw refused('a header holds more than GNU tar writes');
  } else if (magic === NO_MAGIC) {
    if (!isZero(field(block, FIELDS.v7Names)) || !isZero(field(block, FIELDS.v7Rest)))
      throw refused('a header without magic holds more than its format has');
  } else if (magic !== USTAR_MAGIC) {
    throw refused('a header has a magic that is not known');
  }
  if (!isZero(field(block, FIELDS.rest))) throw refused('a header holds more than its format has');
  // Nothing is made of them, but programs that cannot read them take the header for the end of the archive.
  number(block, FIELDS.deviceMajor);
  number(block, FIELDS.deviceMinor);
  const own = name(block, FIELDS.name);
  return {
    type: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? own : `${prefix}/${own}`,
    linkName: name(block, FIELDS.linkName),
    mode: mode(block),
    uid: id(block, FIELDS.uid),
    gid: id(block, FIELDS.gid),
    size: size(block),
    modified: number(block, FIELDS.modified),
  };
}

function field(block: Buffer, [begin, length]: Field): Buffer {
  return block.subarray(begin, begin + length);
}

function text(block: Buffer, [begin, length]: Field): ByteString {
  return block.toString('latin1', begin, begin + length);
}

/** A name ends with its first NUL; what is hidden behind that is not plainly understood. */
function name(block: Buffer, where: Field): ByteString {
  const stated = text(block, where);
  const end = stated.indexOf('\0');
  if (end === -1) return stated;
  if (!isZero(field(block, where).subarray(end))) throw refused('a name in a header goes on behind its end');
  return stated.slice(0, end);
}

function prefixOf(block: Buffer): ByteString {
  const isShort =
    !isZero(field(block, FIELDS.timesBehindIt)) &&
    block[FIELDS.timesBehindIt[0] - 1] === 0 &&
    areTimes(block, FIELDS.timesBehindIt);
  return name(block, isShort ? FIELDS.shortPrefix : FIELDS.prefix);
}

function mode(block: Buffer): number {
  const stated = PLAIN_OCTAL.exec(text(block, FIELDS.mode))?.[1];
  if (stated === undefined) throw refused('a mode is not plain octal');
  const bits = Number.parseInt(stated, 8);
  if ((bits & ~(PERMISSIONS | FILE_KIND)) !== 0) throw refused('a mode has bits that no file has');
  return bits & PERMISSIONS;
}

function id(block: Buffer, where: Field): number {
  const stated = number(block, where);
  if (!isId(stated)) throw refused('an owner or group is none');
  return stated;
}

/** Whether it can be the number of an account or group. */
export function isId(id: number): boolean {
  return id >= 0 && id <= MAXIMUM_ID;
}

function size(block: Buffer): number {
  const stated = number(block, FIELDS.size);
  if (stated < 0) throw refused('a size is negative');
  return stated;
}

/** Two numbers, one behind the other. @throws ArchiveFault when they are none */
function areTimes(block: Buffer, [begin, length]: Field): boolean {
  number(block, [begin, length / 2]);
  number(block, [begin + length / 2, length / 2]);
  return true;
}

/** A number in octal, or in base 256 where octal is too short; blank is 0, as old programs leave what they do not know. */
function number(block: Buffer, where: Field): number {
  const first = block[where[0]] ?? 0;
  if (first >= 0x80) return base256(block, where);
  const stated = text(block, where);
  const digits = PLAIN_OCTAL.exec(stated)?.[1];
  if (digits !== undefined) return Number.parseInt(digits, 8);
  if (BLANK.test(stated)) return 0;
  throw refused('a number in a header is neither octal nor in base 256');
}

/** Two's complement; the first bit says that it is base 256, the second is the sign. */
function base256(block: Buffer, [begin, length]: Field): number {
  const first = block[begin] ?? 0;
  if (first !== 0x80 && first !== 0xff) throw refused('a number in base 256 is too large');
  let value = first === 0xff ? -1n : 0n;
  for (let at = begin + 1; at < begin + length; at += 1) value = (value << 8n) | BigInt(block[at] ?? 0);
  const plain = Number(value);
  if (!Number.isSafeInteger(plain)) throw refused('a number in base 256 is too large');
  return plain;
}
