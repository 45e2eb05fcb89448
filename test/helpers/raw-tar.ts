/** Archives put together by hand, block by block. All texts are bytes (latin1), fields stand as they are given. */

const BLOCK = 512;
export const END = Buffer.alloc(2 * BLOCK);

export interface RawFields {
  readonly name?: string;
  readonly mode?: string;
  readonly uid?: string;
  readonly gid?: string;
  /** Default: the length of the body, in octal. */
  readonly size?: string;
  readonly modified?: string;
  /** Default: the right one, in octal. */
  readonly checksum?: string;
  readonly type?: string;
  readonly linkName?: string;
  readonly magic?: string;
  readonly prefix?: string;
  /** Bytes put over the header before its checksum is taken. */
  readonly over?: readonly [at: number, bytes: string];
}

/** Header and body, the last block of it filled up. */
export function raw(fields: RawFields, body: string | Buffer = ''): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  const block = Buffer.alloc(BLOCK);
  const put = (text: string, at: number): void => void block.write(text, at, 'latin1');
  put(fields.name ?? './f', 0);
  put(fields.mode ?? '0000644\0', 100);
  put(fields.uid ?? '0000000\0', 108);
  put(fields.gid ?? '0000000\0', 116);
  put(fields.size ?? `${octal(content.length, 11)}\0`, 124);
  put(fields.modified ?? '00000000000\0', 136);
  put(fields.type ?? '0', 156);
  put(fields.linkName ?? '', 157);
  put(fields.magic ?? 'ustar\x0000', 257);
  put(fields.prefix ?? '', 345);
  if (fields.over) put(fields.over[1], fields.over[0]);
  put(' '.repeat(8), 148);
  put(
    fields.checksum ??
      `${octal(
        block.reduce((sum, byte) => sum + byte, 0),
        6,
      )}\0 `,
    148,
  );
  return Buffer.concat([block, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** An extended header of POSIX. Values are bytes; so may a keyword be anything. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  const body = Object.entries(records).map(([keyword, value]) => {
    const rest = ` ${keyword}=${value}\n`;
    let length = rest.length + 1;
    while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
    return `${length}${rest}`;
  });
  return raw({ name: 'PaxHeader', type }, body.join(''));
}

/** A long name, or the long target of a link, as GNU tar writes it. */
export function long(type: 'L' | 'K', name: string): Buffer {
  return raw({ name: '././@LongLink', type, magic: 'ustar  \0' }, `${name}\0`);
}

/** A number in base 256, as long as its field. */
export function base256(value: bigint, length: number): string {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(8 * length, value);
  for (let at = length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = value < 0n ? 0xff : 0x80;
  return bytes.toString('latin1');
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
