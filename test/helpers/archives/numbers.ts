import { DISPUTED, EVIL, type HostileArchive, PLAIN, PLAIN_FILE, accepted, invalid, refused } from './hostile-archive';
import { type Bytes, base256, bytesOf, header, member, pax } from './tar-blocks';

/** A program that would run as root, if the mode were read as it is meant. */
const shell = (mode: Bytes): Buffer => member({ name: './a', mode }, '#!/bin/sh\n');

/** Nothing but zeros and the checksum that is right for it: 8 blanks. */
const blankWithChecksum = member({
  ...{ name: '', mode: '', uid: '', gid: '', size: '', mtime: '', type: '\0' },
  magic: 'none',
});

const octal = (sum: number): string => sum.toString(8).padStart(6, '0');

/** Numbers that programs read differently: modes above all, for a mode makes a program of root's. */
export const NUMBERS: readonly HostileArchive[] = [
  refused('a mode in base-256', [shell(base256(0o4755n, 8))]),
  refused('a mode behind a NUL', [shell('\x004755\0')], DISPUTED),
  refused('a mode behind blanks and a NUL', [shell('  \x004755')]),
  refused('a mode of 4755 behind blanks', [shell('   4755\0')], {
    fromCatalogue: { accepted: { a: { type: 'file', mode: 0o755, content: '#!/bin/sh\n' } } },
  }),
  refused('a mode in eight digits that overflow', [shell('77004755')]),
  refused('a mode with a minus', [shell('-004755\0')], DISPUTED),
  refused('a mode with a plus', [shell('+004755\0')]),
  refused('a mode in hexadecimal', [shell('0x009ed\0')]),
  refused('a mode that is no octal number', [shell('0008755\0')]),
  refused('a mode with a letter behind it', [shell('004755x\0')]),
  refused('a mode with a NUL within', [shell('04\x00755\0')]),
  refused('a mode with a blank within', [shell('04 755\0')]),
  refused('a mode behind a tabulator', [shell('\t04755\0')]),
  refused('a mode with something behind its NUL', [shell('0755\x004755')]),
  refused('no mode at all', [shell('')]),
  refused('a mode with bits beyond a mode’s', [shell('1004755\0')]),

  ...(
    [
      ['setuid', 0o4755],
      ['setgid', 0o2755],
      ['setuid and setgid', 0o6755],
      ['setuid without execution', 0o4644],
    ] as const
  ).map(([what, mode]) =>
    refused(`a program of root’s, ${what}`, [member({ name: './a', mode }, 'x')], {
      fromCatalogue: { accepted: { a: { type: 'file', mode: mode & 0o777, uid: 0, gid: 0, content: 'x' } } },
    }),
  ),
  accepted(
    'a setgid folder, which passes its group on',
    [header({ name: './a/', type: '5', mode: 0o2775, uid: 33, gid: 44 })],
    {
      a: { type: 'folder', mode: 0o2775, uid: 33, gid: 44 },
    },
  ),
  accepted('a sticky folder', [header({ name: './a/', type: '5', mode: 0o1777 })], {
    a: { type: 'folder', mode: 0o1777 },
  }),

  invalid('a checksum that is wrong', [
    member({ name: './a', checksum: { written: (sum) => `${octal(sum + 1)}\0 ` } }),
  ]),
  invalid('no checksum', [member({ name: './a', checksum: { written: () => '' } })]),
  invalid(
    'a checksum in base-256',
    [member({ name: './a', checksum: { written: (sum) => base256(BigInt(sum), 8) } })],
    DISPUTED,
  ),
  invalid(
    'a checksum behind a NUL',
    [member({ name: './a', checksum: { written: (sum) => `\0${octal(sum)}\0` } })],
    DISPUTED,
  ),
  invalid('a checksum with a letter behind it', [
    member({ name: './a', checksum: { written: (sum) => `${octal(sum)}x ` } }),
  ]),
  invalid('a checksum with a minus', [member({ name: './a', checksum: { written: (sum) => `-${octal(sum)}\0` } })]),
  invalid('a checksum in hexadecimal', [
    member({ name: './a', checksum: { written: (sum) => `0x${sum.toString(16)}\0` } }),
  ]),
  invalid('a checksum of signed bytes', [member({ name: './caf\xe9\xe9\xe9', checksum: 'signed' }, 'x')], DISPUTED),
  accepted('a checksum over bytes above 127', [member({ name: './caf\xe9\xe9\xe9' }, 'x')], {
    'caf\xe9\xe9\xe9': { type: 'file', content: 'x' },
  }),
  refused('a block of zeros that carries a checksum, and a member behind it', [blankWithChecksum, EVIL], DISPUTED),
  refused('two blocks of zeros that carry a checksum, and a member behind them', [
    blankWithChecksum,
    blankWithChecksum,
    EVIL,
  ]),
  refused('a block of zeros with checksum and magic', [
    header({ ...{ name: '', mode: '', uid: '', gid: '', size: '', mtime: '' }, type: '\0' }),
    EVIL,
  ]),

  accepted(
    'owners above 2^21 and above 2^31 in base-256',
    [member({ name: './a', magic: 'gnu', uid: base256(3_000_000n, 8), gid: base256(2_147_483_650n, 8) }, 'x')],
    { a: { type: 'file', uid: 3_000_000, gid: 2_147_483_650, content: 'x' } },
  ),
  accepted(
    'owners above 2^21 and above 2^31 in an extended header',
    [pax({ uid: '3000000', gid: '2147483650' }), member({ name: './a' }, 'x')],
    {
      a: { type: 'file', uid: 3_000_000, gid: 2_147_483_650, content: 'x' },
    },
  ),
  ...(['uid', 'gid'] as const).flatMap((id) => [
    refused(`a ${id} of -1 in base-256, with which nothing is given away`, [
      member({ name: './a', magic: 'gnu', [id]: base256(-1n, 8) }, 'x'),
    ]),
    refused(`a ${id} of 2^32 - 1 in base-256, which is -1`, [
      member({ name: './a', magic: 'gnu', [id]: base256((1n << 32n) - 1n, 8) }, 'x'),
    ]),
    refused(`a ${id} of 2^32 in base-256, which overflows to root`, [
      member({ name: './a', magic: 'gnu', [id]: base256(1n << 32n, 8) }, 'x'),
    ]),
    refused(`a ${id} that is no octal number`, [member({ name: './a', [id]: '0000009\0' }, 'x')]),
    ...['-1', '4294967295', '4294967296', '18446744073709551616', '', 'root', '1.5', '0x21', '1e1'].map((value) =>
      refused(`a ${id} of ${JSON.stringify(value)} in an extended header`, [
        pax({ [id]: value }),
        member({ name: './a' }, 'x'),
      ]),
    ),
  ]),
  accepted(
    'a time before 1970 in base-256',
    [member({ name: './a', magic: 'gnu', mtime: base256(-86_400n, 12) }, 'x')],
    {
      a: { type: 'file', mtime: -86_400, content: 'x' },
    },
  ),
  accepted('a time before 1970 in an extended header', [pax({ mtime: '-86400.5' }), member({ name: './a' }, 'x')], {
    a: { type: 'file', mtime: -86_400.5, content: 'x' },
  }),
  accepted('a time behind 2^33', [pax({ mtime: '8589934593' }), member({ name: './a' }, 'x')], {
    a: { type: 'file', mtime: 8_589_934_593, content: 'x' },
  }),
  ...['', 'today', 'nan', 'inf', '1e9', '0x10', '1 2', '99999999999999999999999'].map((mtime) =>
    refused(`a time of ${JSON.stringify(mtime)} in an extended header`, [pax({ mtime }), member({ name: './a' }, 'x')]),
  ),
  refused('a time in base-256 that no file can have', [
    member({ name: './a', magic: 'gnu', mtime: base256(1n << 80n, 12) }, 'x'),
  ]),
  accepted(
    'numbers that end with a blank in the place of a NUL',
    [
      member(
        { name: './plain', mode: '000640 \0', uid: '002322 \0', gid: '004451 \0', mtime: bytesOf('07346545000 ') },
        'plain\n',
      ),
    ],
    { plain: PLAIN_FILE },
  ),
  accepted('an ordinary file', [PLAIN], { plain: PLAIN_FILE }),
];
