import { DISPUTED, EVIL, type HostileArchive, accepted, file, folder, refused, symlink } from './hostile-archive';
import { type Bytes, type HeaderFields, header, longName, member, pax } from './tar-blocks';

const named = (name: Bytes, more: HeaderFields = {}): Buffer => member({ name, ...more }, 'x');
const long = (value: Bytes, more: HeaderFields = {}): Buffer[] => [longName('L', value, more), named('./short')];

/** `tar\0`, by which star says that its prefix is shorter. */
const STAR = [508, 'tar\0'] as const;

/** Names that lead out, and the ways to write one. */
export const NAMES: readonly HostileArchive[] = [
  ...['../x', './../x', './a/../../x', './a/..', '..', './..', './a/../b', 'a/b/../../../../x', './../', '.././x'].map(
    (name) => refused(`a name of ${name}`, [named(name)]),
  ),
  ...['/etc/x', '//etc/x', '/', '/./x'].map((name) => refused(`an absolute name of ${name}`, [named(name)])),
  refused('a folder above', [folder('./../')]),
  refused('a link above', [symlink('./../a', '/etc')]),
  refused('an absolute name in an extended header', [pax({ path: '/etc/x' }), named('./a')]),
  refused('a name above in an extended header', [pax({ path: '../x' }), named('./a')]),
  refused('an absolute name in a long name', long('/etc/x')),
  refused('a name above in a long name', long('./../x')),
  refused('an absolute prefix', [named('x', { prefix: '/etc' })], DISPUTED),
  refused('a prefix above', [named('x', { prefix: '..' })]),
  refused('a name above, behind a prefix', [named('../x', { prefix: './a/..' })]),
  accepted('a slash between prefix and name', [named('/x', { prefix: './a' })], {
    a: { type: 'folder' },
    'a/x': { type: 'file', content: 'x' },
  }),
  refused('no name', [named('')]),
  refused('no name, in an extended header', [pax({ path: '' }), named('./a')], DISPUTED),
  refused('no name, in a long name', long('')),
  refused('a name with a NUL, in an extended header', [pax({ path: './a\0/../../x' }), named('./a')], DISPUTED),
  refused('a link target with a NUL, in an extended header', [
    pax({ linkpath: './index.php\0x' }),
    symlink('./a', 'x'),
  ]),
  refused('a part of a name of 256 bytes', [pax({ path: `./${'n'.repeat(256)}` }), named('./a')]),
  refused('a name of more than 4096 bytes', [pax({ path: `./${'n'.repeat(99)}/`.repeat(42) }), folder('./a/')]),

  accepted(
    'a name 300 folders deep',
    [pax({ path: `./${'d/'.repeat(300)}x` }), named('./a')],
    Object.fromEntries([
      ...Array.from({ length: 300 }, (_, at) => ['d/'.repeat(at + 1).slice(0, -1), { type: 'folder' } as const]),
      [`${'d/'.repeat(300)}x`, { type: 'file', content: 'x' } as const],
    ]),
  ),
  accepted('a part of a name of 255 bytes', [pax({ path: `./${'n'.repeat(255)}` }), named('./a')], {
    ['n'.repeat(255)]: { type: 'file', content: 'x' },
  }),
  accepted('a name that fills its field and the prefix', [named('n'.repeat(100), { prefix: `./${'p'.repeat(153)}` })], {
    ['p'.repeat(153)]: { type: 'folder' },
    [`${'p'.repeat(153)}/${'n'.repeat(100)}`]: { type: 'file', content: 'x' },
  }),
  accepted(
    'names of any bytes',
    [
      named('./caf\xe9'),
      named('./\xff\xfe'),
      named('./a\nb'),
      named('./\x1b[2J'),
      named('./ '),
      named('./a\\..\\b'),
      named('./-rf'),
      named('./C:x'),
      named('./...'),
      named('./*?[x]'),
    ],
    Object.fromEntries(
      ['caf\xe9', '\xff\xfe', 'a\nb', '\x1b[2J', ' ', 'a\\..\\b', '-rf', 'C:x', '...', '*?[x]'].map((name) => [
        name,
        { type: 'file', content: 'x' } as const,
      ]),
    ),
  ),
  accepted('a link target of any bytes', [symlink('./a', 'caf\xe9 \xff\n"')], {
    a: { type: 'link', target: 'caf\xe9 \xff\n"' },
  }),
  accepted('an extended header’s name of any bytes', [pax({ path: './caf\xe9\n\xff' }), named('./a')], {
    'caf\xe9\n\xff': { type: 'file', content: 'x' },
  }),
  accepted('a long name of any bytes', long('./caf\xe9\n\xff'), { 'caf\xe9\n\xff': { type: 'file', content: 'x' } }),

  accepted(
    'GNU’s magic and times of access where others have the prefix',
    [named('./a', { magic: 'gnu', over: [[345, '07346545000\x0007346545000\0']] })],
    { a: { type: 'file', content: 'x' } },
  ),
  refused('GNU’s magic and a name in the place of the prefix', [named('x', { magic: 'gnu', prefix: './a' })]),
  refused('GNU’s magic and a prefix that leads out', [named('x', { magic: 'gnu', prefix: '../..' })]),
  refused('GNU’s magic and a sparse map', [
    named('./a', { magic: 'gnu', over: [[386, '00000000000\x0000000001000\0']] }),
  ]),
  refused('GNU’s magic and the offset of another volume', [
    named('./a', { magic: 'gnu', over: [[369, '00000001000\0']] }),
  ]),
  refused('star’s magic, by which the prefix is shorter', [named('x', { prefix: 'p'.repeat(140), over: [STAR] })]),
  refused('star’s times behind the prefix', [named('./a', { over: [[476, '07346545000\x0007346545000\0'], STAR] })]),
  refused('bytes behind the prefix', [named('./a', { over: [[500, 'behind']] })]),
  refused('no magic and a prefix', [named('x', { magic: 'none', prefix: './a' })]),
  ...(
    [
      ['of another version', 'ustar\x0099'],
      ['without a version', 'ustar\0\0\0'],
      ['with blanks for its version', 'ustar\0  '],
      ['in capitals', 'USTAR\x0000'],
      ['cut short', 'ust\0\0\0\0\0'],
    ] as const
  ).map(([what, magic]) => refused(`a magic ${what}`, [named('./a', { magic: Buffer.from(magic, 'latin1') })])),
  accepted(
    'no magic, as the oldest programs wrote',
    [named('./a', { magic: 'none' }), member({ name: './b/', type: '\0', magic: 'none' })],
    {
      a: { type: 'file', content: 'x' },
      b: { type: 'folder' },
    },
  ),

  refused('an empty long name', [member({ name: '././@LongLink', type: 'L', magic: 'gnu' }), named('./a')]),
  refused('a long name with a NUL within', long('./a\0/../../x')),
  refused('a long link target with a NUL within', [longName('K', './index.php\0x'), symlink('./a', 'x')]),
  refused('two long names', [longName('L', './first'), ...long('./second')]),
  refused('two long link targets', [longName('K', './first'), longName('K', './second'), symlink('./a', 'x')]),
  refused(
    'a long name and one of an extended header',
    [longName('L', './long'), pax({ path: './pax' }), named('./a')],
    DISPUTED,
  ),
  refused(
    'a name of an extended header and a long one',
    [pax({ path: './pax' }), longName('L', './long'), named('./a')],
    DISPUTED,
  ),
  refused('a long link target on a file', [longName('K', './index.php'), named('./a')]),
  refused('a long name of 2 MB', [longName('L', 'n'.repeat(2 << 20)), named('./a')]),
  refused('a long name whose size reaches behind the end', [
    header({ name: '././@LongLink', type: 'L', magic: 'gnu', size: 1 << 20 }),
    named('./a'),
  ]),
  refused('a long name of a negative size', [
    header({ name: '././@LongLink', type: 'L', magic: 'gnu', size: '-0000000001\0' }),
    EVIL,
  ]),
  accepted(
    'a long name and a long link target',
    [longName('K', `${'t/'.repeat(150)}x`), longName('L', `./${'n'.repeat(150)}`), symlink('./a', 'x')],
    { ['n'.repeat(150)]: { type: 'link', target: `${'t/'.repeat(150)}x` } },
  ),
  accepted('a long name of a folder', [longName('L', `./${'n'.repeat(150)}/`), folder('./a/')], {
    ['n'.repeat(150)]: { type: 'folder' },
  }),
  refused('a file in the place of the folder its name ends as', [file('./a/')], DISPUTED),
];
