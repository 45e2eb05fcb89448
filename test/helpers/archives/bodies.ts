import {
  DISPUTED,
  EVIL,
  type HostileArchive,
  OTHER_DUMP,
  PLAIN,
  PLAIN_FILE,
  accepted,
  invalid,
  refused,
} from './hostile-archive';
import { base256, bytesOf, header, member, pax } from './tar-blocks';

const KINDS: readonly (readonly [type: string, name: string])[] = [
  ['1', 'hard link'],
  ['2', 'symbolic link'],
  ['3', 'character device'],
  ['4', 'block device'],
  ['5', 'folder'],
  ['6', 'pipe'],
];

/** Vendors' own, reserved and unknown letters. None is in an archive of a site. */
const OTHER_TYPES: readonly (readonly [type: string, name: string])[] = [
  ['7', 'contiguous file'],
  ['8', 'reserved digit'],
  ['A', 'Solaris access list'],
  ['D', 'folder of an incremental backup'],
  ['E', 'Solaris extended attribute'],
  ['I', 'inode of an old backup'],
  ['M', 'file continued on the next volume'],
  ['N', 'long names of old GNU tar'],
  ['S', 'sparse file of old GNU tar'],
  ['V', 'label of a volume'],
  ['X', 'extended header of Sun'],
  ['Z', 'letter that nobody uses'],
  [' ', 'space'],
  ['\xff', 'byte above 127'],
  ['\x01', 'control character'],
];

const linkname = (type: string): { linkname?: string } => (type === '1' || type === '2' ? { linkname: './plain' } : {});

/**
 * A size on what has no body. One program reads what follows as members, the other as a body, so whatever the first would
 * refuse is hidden from the second.
 */
export const BODIES: readonly HostileArchive[] = [
  ...KINDS.flatMap(([type, name]) => {
    const of = { name: './a', type, ...linkname(type) };
    return [
      refused(`a ${name} with a size that covers a member`, [PLAIN, member(of, EVIL)], type === '5' ? {} : DISPUTED),
      refused(`a ${name} with a size in its extended header`, [
        PLAIN,
        pax({ size: String(EVIL.length) }),
        header(of),
        EVIL,
      ]),
      refused(`a ${name} with a size in base-256`, [
        PLAIN,
        header({ ...of, size: base256(BigInt(EVIL.length), 12) }),
        EVIL,
      ]),
    ];
  }),
  ...['1', '2'].map((type) =>
    refused(
      `another dump in the body of a ${type === '1' ? 'hard' : 'symbolic'} link`,
      [PLAIN, member({ name: './a', type, ...linkname(type) }, OTHER_DUMP)],
      DISPUTED,
    ),
  ),
  refused('a symbolic link with the size of its target, as some old programs wrote', [
    header({ name: './a', type: '2', linkname: './index.php', size: 11 }),
  ]),
  refused('a hard link with the size of its file', [
    PLAIN,
    header({ name: './a', type: '1', linkname: './plain', size: 6 }),
  ]),
  ...OTHER_TYPES.flatMap(([type, name]) => [
    refused(`type ${JSON.stringify(type)}: ${name}`, [header({ name: './a', type })]),
    refused(`type ${JSON.stringify(type)} with a size: ${name}`, [member({ name: './a', type }, EVIL)]),
  ]),
  ...(['3', '4', '6'] as const).map((type) =>
    refused(
      `a ${KINDS.find(([letter]) => letter === type)?.[1]}`,
      [header({ name: './a', type, devmajor: 1, devminor: 3 }), PLAIN],
      { fromCatalogue: { accepted: { plain: PLAIN_FILE } } },
    ),
  ),
  refused('a file whose name ends in a slash, with a body', [member({ name: './a/' }, EVIL)], DISPUTED),
  refused('a file that an extended header gives a name that ends in a slash', [
    pax({ path: './a/' }),
    member({ name: './a' }, EVIL),
  ]),
  invalid('a size that reaches behind the end of the archive', [header({ name: './a', size: 1 << 20 })]),
  refused('a negative size in base-256', [header({ name: './a', size: base256(-512n, 12) }), EVIL], DISPUTED),
  refused('a size of 2^63 in base-256', [header({ name: './a', size: base256(1n << 63n, 12) }), EVIL]),
  refused('a size of 2^64 + 512 in base-256, which overflows', [
    header({ name: './a', size: base256((1n << 64n) + 512n, 12) }),
    EVIL,
  ]),
  refused('a size of 2^53 + 1 in base-256', [header({ name: './a', size: base256((1n << 53n) + 1n, 12) }), EVIL]),
  refused('a size that only GNU’s old base-64 explains', [header({ name: './a', size: '+QA\0' }), EVIL], DISPUTED),
  ...(
    [
      ['in hexadecimal', '0x400'],
      ['with a letter behind it', '00000002000x'],
      ['with a digit that is not octal', '00000008000\0'],
      ['with a minus', '-0000002000\0'],
      ['behind a NUL', '\x0000000002000'],
      ['with a blank within', '0000 002000\0'],
    ] as const
  ).map(([what, size]) => refused(`a size ${what}`, [header({ name: './a', size: bytesOf(size) }), EVIL])),
  ...(
    [
      ['negative', '-512'],
      ['empty', ''],
      ['a word', 'abc'],
      ['a fraction', '1024.5'],
      ['in hexadecimal', '0x400'],
      ['with an exponent', '1e3'],
      ['behind a blank', ' 1024'],
      ['beyond 2^64', '18446744073709552640'],
      ['beyond 2^63', '9223372036854775808'],
    ] as const
  ).map(([what, size]) =>
    refused(`a size in an extended header that is ${what}`, [pax({ size }), member({ name: './a' }, EVIL)]),
  ),
  accepted(
    'a size that stands in the extended header alone',
    [pax({ size: '6' }), header({ name: './a' }), PLAIN.subarray(512), PLAIN],
    { a: { type: 'file', mode: 0o644, content: 'plain\n' }, plain: PLAIN_FILE },
    DISPUTED,
  ),
  accepted(
    'a size in base-256 that octal digits could hold',
    [member({ name: './a', size: base256(6n, 12) }, 'plain\n')],
    {
      a: { type: 'file', content: 'plain\n' },
    },
  ),
  accepted('type NUL, an ordinary file of old programs', [member({ name: './a', type: '\0' }, 'old')], {
    a: { type: 'file', content: 'old' },
  }),
];
