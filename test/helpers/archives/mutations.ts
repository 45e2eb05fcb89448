import fc from 'fast-check';
import { EVIL, OTHER_DUMP, file, folder, hardLink, symlink } from './hostile-archive';
import { BLOCK, type Bytes, END, base256, bytesOf, globalPax, header, longName, pax } from './tar-blocks';

/** A change of an archive, in numbers, so that it can be repeated and made smaller. */
export interface Mutation {
  readonly kind: (typeof KINDS)[number];
  readonly where: number;
  readonly what: number;
  readonly value: number;
  /** The header's checksum is made right again: else most would be refused by that alone. */
  readonly mends: boolean;
}

const KINDS = ['field', 'byte', 'remove', 'repeat', 'swap', 'insert', 'records', 'splice', 'cut'] as const;

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  // Fields are what programs read differently.
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('field' as const) },
    { weight: 8, arbitrary: fc.constantFrom(...KINDS) },
  ),
  where: fc.nat(),
  what: fc.nat(),
  value: fc.nat(),
  mends: fc.nat(9).map((number) => number > 0),
});

const NAMES: readonly Bytes[] = [
  ...['', '.', './', './a', './a/', './a/x', '../x', '/x', './a/../b', './database.sql', './/database.sql'],
  ...['./.kedge', './.kedge/backup.json', './.kedge/site/database.sql', './.kedge/roots/files/x', './.kedge/x'],
  ...['./soft', './soft/x', './index.php', './content', './content/one', './folder-link/x', './private/index.php'],
  ...['n'.repeat(100), './caf\xe9', './a\0b', 'index.php', './\n', `./${'d/'.repeat(40)}x`],
];
const NUMBERS: readonly Bytes[] = [
  ...[
    '',
    '0',
    '0000000\0',
    '0000644\0',
    '0004755\0',
    '0002755\0',
    '0001777\0',
    '4755',
    '\x004755\0',
    '   755 ',
    '0000000 \0',
  ],
  ...[
    '7777777\0',
    '-1',
    '00000000001\0',
    '00000000777\0',
    '00000001000\0',
    '77777777777\0',
    '777777777777',
    '0x1ff',
    '08',
  ],
  ...[base256(0n, 8), base256(0o4755n, 8), base256(-1n, 8), base256(3_000_000n, 8), base256((1n << 32n) - 1n, 8)],
  ...[base256(1n, 12), base256(512n, 12), base256(-1n, 12), base256(1n << 40n, 12), base256(1n << 63n, 12)],
];
const TYPES = [...'\x0001234567xgLKSDVMNXAZ \xff'];

const FIELDS: readonly { readonly at: number; readonly length: number; readonly values: readonly Bytes[] }[] = [
  { at: 0, length: 100, values: NAMES },
  { at: 100, length: 8, values: NUMBERS },
  { at: 108, length: 8, values: NUMBERS },
  { at: 116, length: 8, values: NUMBERS },
  { at: 124, length: 12, values: NUMBERS },
  { at: 136, length: 12, values: NUMBERS },
  { at: 156, length: 1, values: TYPES },
  { at: 157, length: 100, values: [...NAMES, '/etc/passwd', './plain'] },
  { at: 257, length: 8, values: ['ustar\x0000', 'ustar  \0', '', 'ustar\0\0\0', 'ustar\x0001'] },
  { at: 329, length: 8, values: NUMBERS },
  { at: 337, length: 8, values: NUMBERS },
  {
    at: 345,
    length: 155,
    values: ['', 'p', '.', './', '..', '/etc', '00000000000\x0000000000000\0', 'p'.repeat(131), 'p'.repeat(155)],
  },
  { at: 475, length: 25, values: ['\x0000000000000\x0000000000000\0', 'x', '\0x'] },
  { at: 500, length: 12, values: ['x', '\0\0\0\0\0\0\0\0tar\0'] },
];

const RECORDS: Readonly<Record<string, readonly Bytes[]>> = {
  path: NAMES,
  linkpath: NAMES,
  size: ['', '0', '1', '5', '512', '1024', '99999999999', '-1', '1.5'],
  uid: ['', '0', '33', '3000000', '4294967294', '4294967295', '-1', 'root'],
  gid: ['', '0', '33', '3000000', '4294967295'],
  mtime: ['', '0', '1.5', '-1.5', '9000000000', '999999999999', '-99999999999', 'x'],
  uname: ['', 'root', 'caf\xe9'],
  comment: ['', 'x\n15 path=./evil\n'],
  hdrcharset: ['BINARY', 'ISO-IR 10646 2000 UTF-8', 'x'],
  'SCHILY.xattr.user.x': ['', 'y', '\n13 size=1024\n', '\0'],
  'SCHILY.xattr.security.capability': ['\x01\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'],
  'SCHILY.acl.access': ['', 'user::rw-,user:1234:r--,group::r--,mask::r--,other::r--', 'x'],
  'SCHILY.acl.default': ['user::rwx,group::r-x,other::r-x'],
  'SCHILY.realsize': ['1024'],
  'GNU.sparse.major': ['1'],
  'GNU.sparse.size': ['1024'],
};

const ZEROS = Buffer.alloc(BLOCK);
const ZEROS_WITH_CHECKSUM = header({
  ...{ name: '', mode: '', uid: '', gid: '', size: '', mtime: '', type: '\0', magic: 'none' },
});

/** The archive after these changes; `others` are what it may be spliced with. */
export function mutated(archive: Buffer, mutations: readonly Mutation[], others: readonly Buffer[]): Buffer {
  return mutations.reduce((tar, change) => applied(tar, change, others), archive);
}

function applied(tar: Buffer, { kind, where, what, value, mends }: Mutation, others: readonly Buffer[]): Buffer {
  const headers = headersOf(tar);
  const at = oneOf(headers, where) ?? 0;
  const next = headers[headers.indexOf(at) + 1] ?? Math.min(tar.length, at + BLOCK);
  switch (kind) {
    case 'field': {
      const field = oneOf(FIELDS, what) ?? { at: 0, length: 100, values: NAMES };
      const bytes = Buffer.alloc(field.length);
      bytesOf(oneOf(field.values, value) ?? '').copy(bytes);
      return written(tar, at, field.at, bytes, mends);
    }
    case 'byte':
      return written(tar, at, what % BLOCK, Buffer.from([value % 256]), mends);
    case 'remove':
      return Buffer.concat([tar.subarray(0, at), tar.subarray(what % 2 === 0 ? next : at + BLOCK)]);
    case 'repeat': {
      const to = oneOf(headers, what) ?? 0;
      return Buffer.concat([tar.subarray(0, to), tar.subarray(at, next), tar.subarray(to)]);
    }
    case 'swap': {
      const other = headers[headers.indexOf(next) + 1] ?? next;
      return Buffer.concat([
        tar.subarray(0, at),
        tar.subarray(next, other),
        tar.subarray(at, next),
        tar.subarray(other),
      ]);
    }
    case 'insert':
      return Buffer.concat([tar.subarray(0, at), insertion(what, value), tar.subarray(at)]);
    case 'records':
      return Buffer.concat([tar.subarray(0, at), records(what, value), tar.subarray(at)]);
    case 'splice': {
      const other = oneOf(others, what) ?? tar;
      return Buffer.concat([tar.subarray(0, at), other.subarray(oneOf(headersOf(other), value) ?? 0)]);
    }
    case 'cut':
      return tar.subarray(0, what % 2 === 0 ? at : at + (value % (2 * BLOCK)));
  }
}

function oneOf<T>(values: readonly T[], number: number): T | undefined {
  return values[number % Math.max(1, values.length)];
}

function insertion(what: number, value: number): Buffer {
  const name = oneOf(NAMES, value) ?? '';
  return (
    oneOf(
      [
        ...[ZEROS, END, ZEROS_WITH_CHECKSUM, EVIL, OTHER_DUMP, globalPax({ comment: 'x' }), globalPax({ path: name })],
        ...[
          file(name),
          folder(name),
          symlink('./a', name),
          symlink(name, '/etc'),
          hardLink('./b', name),
          hardLink(name, './index.php'),
        ],
        ...[
          longName('L', name),
          longName('K', name),
          header({ name, type: '6' }),
          header({ name, type: '2', linkname: 'x', size: 512 }),
        ],
      ],
      what,
    ) ?? ZEROS
  );
}

function records(what: number, value: number): Buffer {
  const keys = Object.keys(RECORDS);
  const key = oneOf(keys, what) ?? '';
  const other = oneOf(keys, value >> 8) ?? '';
  return pax({ [other]: oneOf(RECORDS[other] ?? [], value >> 4) ?? '', [key]: oneOf(RECORDS[key] ?? [], value) ?? '' });
}

function written(tar: Buffer, at: number, offset: number, bytes: Buffer, mends: boolean): Buffer {
  if (at + BLOCK > tar.length) return tar;
  const copy = Buffer.from(tar);
  bytes.copy(copy, at + offset, 0, Math.min(bytes.length, BLOCK - offset));
  if (!mends) return copy;
  const block = copy.subarray(at, at + BLOCK);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

/** Where headers stand, as far as that can be told. */
function headersOf(tar: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + BLOCK <= tar.length;) {
    found.push(at);
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136).replaceAll('\0', ' '), 8);
    at += BLOCK + Math.ceil((Number.isFinite(size) && size > 0 ? size : 0) / BLOCK) * BLOCK;
  }
  return found;
}
