/** Bytes of a field. A string holds one byte a character (latin-1). */
export type Bytes = string | Buffer;

/** A header, field by field, as it is to stand there; nothing is checked and nothing is completed but the checksum. */
export interface HeaderFields {
  readonly name?: Bytes;
  /** A number is written as tar programs do: octal digits and a NUL. */
  readonly mode?: number | Bytes;
  readonly uid?: number | Bytes;
  readonly gid?: number | Bytes;
  /** Default: that of the body. */
  readonly size?: number | Bytes;
  readonly mtime?: number | Bytes;
  /** Default: the sum of the bytes. `signed`: the sum with bytes above 127 taken for negative, as some programs accept. */
  readonly checksum?: 'signed' | { readonly written: (sum: number) => Bytes };
  /** Default '0', an ordinary file. */
  readonly type?: Bytes;
  readonly linkname?: Bytes;
  readonly magic?: 'ustar' | 'gnu' | 'none' | Buffer;
  readonly uname?: Bytes;
  readonly gname?: Bytes;
  readonly devmajor?: number | Bytes;
  readonly devminor?: number | Bytes;
  readonly prefix?: Bytes;
  /** Written over the header last, before its checksum is computed: byte position and bytes. */
  readonly over?: readonly (readonly [number, Bytes])[];
}

export const BLOCK = 512;

const MAGIC = { ustar: 'ustar\x0000', gnu: 'ustar  \0', none: '' };
const CHECKSUM = { at: 148, length: 8 };

/** One block of a header. */
export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (at: number, length: number, value: number | Bytes | undefined): void => {
    if (value === undefined) return;
    bytesOf(typeof value === 'number' ? octal(value, length) : value).copy(block, at, 0, length);
  };
  const magic = fields.magic ?? 'ustar';
  put(0, 100, fields.name ?? './evil');
  put(100, 8, fields.mode ?? 0o644);
  put(108, 8, fields.uid ?? 0);
  put(116, 8, fields.gid ?? 0);
  put(124, 12, fields.size ?? 0);
  put(136, 12, fields.mtime ?? 1_000_000_000);
  put(156, 1, fields.type ?? '0');
  put(157, 100, fields.linkname);
  put(257, 8, Buffer.isBuffer(magic) ? magic : MAGIC[magic]);
  put(265, 32, fields.uname);
  put(297, 32, fields.gname);
  put(329, 8, fields.devmajor);
  put(337, 8, fields.devminor);
  put(345, 155, fields.prefix);
  for (const [at, value] of fields.over ?? []) put(at, BLOCK - at, value);
  put(CHECKSUM.at, CHECKSUM.length, checksumField(block, fields.checksum));
  return block;
}

/** A header and its body, filled up to whole blocks. */
export function member(fields: HeaderFields, body: Bytes = ''): Buffer {
  const content = bytesOf(body);
  return Buffer.concat([header({ size: content.length, ...fields }), padded(content)]);
}

/** A record of an extended header with its length, which counts itself. */
export function record(key: string, value: Bytes): Buffer {
  const rest = Buffer.concat([bytesOf(` ${key}=`), bytesOf(value), bytesOf('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([bytesOf(String(length)), rest]);
}

/** An extended header: of records, or of bytes that only claim to be some. */
export function pax(records: Readonly<Record<string, Bytes>> | Buffer, fields: HeaderFields = {}): Buffer {
  const body = Buffer.isBuffer(records)
    ? records
    : Buffer.concat(Object.entries(records).map(([key, value]) => record(key, value)));
  return member({ name: './PaxHeaders/x', type: 'x', ...fields }, body);
}

/** A global extended header. */
export function globalPax(records: Readonly<Record<string, Bytes>>): Buffer {
  return pax(records, { type: 'g', name: 'pax_global_header' });
}

/** GNU's record of a name (`L`) or link target (`K`) that is longer than its field. */
export function longName(type: 'L' | 'K', value: Bytes, fields: HeaderFields = {}): Buffer {
  const body = Buffer.concat([bytesOf(value), Buffer.alloc(1)]);
  return member({ name: '././@LongLink', type, magic: 'gnu', mode: 0, mtime: 0, ...fields }, body);
}

/** A number as GNU tar writes what octal digits cannot hold: two's complement, its first bit set. */
export function base256(value: bigint, length: number): Buffer {
  const field = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let at = length - 1; at >= 0; at -= 1) {
    field[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}

/** What every archive ends with. */
export const END = Buffer.alloc(2 * BLOCK);

/** Bytes, and zeros up to the next block. */
function padded(bytes: Bytes): Buffer {
  const content = bytesOf(bytes);
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

export function bytesOf(value: Bytes): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
}

function octal(value: number, length: number): string {
  return value.toString(8).padStart(length - 1, '0');
}

function checksumField(block: Buffer, wanted: HeaderFields['checksum']): Bytes {
  block.fill(' ', CHECKSUM.at, CHECKSUM.at + CHECKSUM.length);
  const sum = block.reduce((total, byte) => total + (wanted === 'signed' && byte > 127 ? byte - 256 : byte), 0);
  block.fill(0, CHECKSUM.at, CHECKSUM.at + CHECKSUM.length);
  return typeof wanted === 'object' ? wanted.written(sum) : `${octal(sum, 7)}\0 `;
}
