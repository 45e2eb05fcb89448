import { DISPUTED, EVIL, type HostileArchive, PLAIN, PLAIN_FILE, accepted, refused } from './hostile-archive';
import { type Bytes, bytesOf, globalPax, header, member, pax, record } from './tar-blocks';

const A = member({ name: './a' }, 'x');
const A_FILE = { type: 'file', content: 'x' } as const;

/** A member under an extended header of these bytes. */
const under = (...records: (Buffer | string)[]): Buffer[] => [pax(Buffer.concat(records.map(bytesOf))), A];

const file = (records: Readonly<Record<string, Bytes>>): Buffer[] => [pax(records), A];

const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** Records of extended headers: what they are counted by, and what they say. */
export const EXTENDED_HEADERS: readonly HostileArchive[] = [
  refused('a record whose length is too short', under('10 path=./evil\n')),
  refused('a record whose length is too long', under('20 path=./evil\n'), DISPUTED),
  refused('a record whose length reaches behind its header', under('2000 path=./evil\n')),
  refused('a record of length 0', under('0 path=./evil\n')),
  refused('a record whose length is negative', under('-5 path=./evil\n')),
  refused('a record whose length has a plus', under('+16 path=./evil\n')),
  refused('a record whose length begins with zeros', under('0017 path=./evil\n')),
  refused('a record whose length stands behind a blank', under(' 16 path=./evil\n')),
  refused('a record whose length is hexadecimal', under('0x11 path=./evil\n')),
  refused('a record whose length is no number', under('xx path=./evil\n')),
  refused('a record whose length overflows', under('18446744073709551631 path=./evil\n')),
  refused('a record without a line’s end', under('14 path=./evil')),
  refused('a record that another byte ends', under('15 path=./evil!')),
  refused('a record without an equals sign', under('12 ./pathevil\n'.slice(0, 11), '\n')),
  refused('a record without a key', under(record('', './evil'))),
  refused('a record with two blanks before its key', under('16  path=./evil\n')),
  refused('a record with a tabulator before its key', under('15\tpath=./evil\n')),
  refused('zeros behind the records', under(record('path', './evil'), Buffer.alloc(20))),
  refused('bytes behind the records', under(record('path', './evil'), 'behind')),
  refused('an empty extended header', [pax(Buffer.alloc(0)), A]),

  accepted(
    'a value with line ends that looks like records',
    under(record('comment', `x\n${record('path', '../evil').toString()}`)),
    {
      a: A_FILE,
    },
    DISPUTED,
  ),
  accepted(
    'a user’s attribute with line ends that looks like a size',
    under(record('SCHILY.xattr.user.x', '\n13 size=1024\n')),
    {
      a: A_FILE,
    },
    DISPUTED,
  ),
  accepted(
    'a name with line ends that looks like records',
    under(record('path', './n\n16 path=./evil\n')),
    {
      'n\n16 path=.': { type: 'folder' },
      'n\n16 path=./evil\n': A_FILE,
    },
    DISPUTED,
  ),
  refused('a name twice', under(record('path', './first'), record('path', './second'))),
  refused('a size twice', under(record('size', '1'), record('size', '1024'))),
  refused('a link target twice', [
    pax(Buffer.concat([record('linkpath', 'first'), record('linkpath', '/second')])),
    header({ name: './a', type: '2', linkname: 'x' }),
  ]),
  ...['path', 'size', 'uid', 'mtime', 'linkpath'].map((key) =>
    refused(`an empty value of ${key}, which takes back what stood there`, file({ [key]: '' })),
  ),
  refused('a link target on a file', file({ linkpath: './index.php' })),
  refused('a size that contradicts that of the header', [pax({ size: '1024' }), A, EVIL]),
  refused('a size of 0 that hides a body', [pax({ size: '0' }), member({ name: './a' }, EVIL)]),
  refused('a mode, which only programs of Solaris know', file({ mode: '04755' })),
  refused('a type, which no program may know', file({ type: '5' })),

  ...(
    [
      [
        'version 0.0',
        {
          'GNU.sparse.size': '1024',
          'GNU.sparse.numblocks': '1',
          'GNU.sparse.offset': '0',
          'GNU.sparse.numbytes': '1',
        },
      ],
      ['version 0.1', { 'GNU.sparse.size': '1024', 'GNU.sparse.name': './evil', 'GNU.sparse.map': '0,1' }],
      [
        'version 1.0',
        {
          'GNU.sparse.major': '1',
          'GNU.sparse.minor': '0',
          'GNU.sparse.name': './evil',
          'GNU.sparse.realsize': '1024',
        },
      ],
      ['a name alone', { 'GNU.sparse.name': '../evil' }],
      ['a dumped folder', { 'GNU.dumpdir': 'Y./a\0\0' }],
      ['a label of a volume', { 'GNU.volume.label': 'x' }],
      ['a piece of a volume', { 'GNU.volume.filename': './a', 'GNU.volume.size': '1', 'GNU.volume.offset': '0' }],
      ['star’s size', { 'SCHILY.realsize': '1024' }],
      ['star’s type', { 'SCHILY.filetype': 'dir' }],
      ['holes of Solaris', { 'SUN.holesdata': ' 0 1 ' }],
      ['a device of Solaris', { 'SUN.devmajor': '1', 'SUN.devminor': '3' }],
    ] as const
  ).map(([what, records]) => refused(`records of what a plain file is not: ${what}`, file(records))),
  refused(
    'old GNU tar’s sparse file',
    [
      member(
        {
          name: './a',
          type: 'S',
          magic: 'gnu',
          over: [
            [386, '00000000000\x0000000001000\0'],
            [483, '00000004000\0'],
          ],
        },
        'x'.repeat(512),
      ),
    ],
    DISPUTED,
  ),
  refused('old GNU tar’s sparse file with more of its map behind it', [
    member(
      {
        name: './a',
        type: 'S',
        magic: 'gnu',
        over: [
          [386, '00000000000\x0000000001000\0'],
          [482, '\x01'],
          [483, '00000004000\0'],
        ],
      },
      EVIL,
    ),
  ]),
  refused(
    'a sparse map in the body, version 1.0',
    [
      pax({
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': './a',
        'GNU.sparse.realsize': '2048',
      }),
      member({ name: './GNUSparseFile.0/a' }, Buffer.concat([Buffer.from('1\n0\n512\n'.padEnd(512, '\0')), EVIL])),
    ],
    DISPUTED,
  ),

  ...(
    [
      ['a capability', { 'SCHILY.xattr.security.capability': CAPABILITY }],
      ['a capability by libarchive', { 'LIBARCHIVE.xattr.security.capability': CAPABILITY.toString('base64') }],
      ['an attribute of root’s', { 'SCHILY.xattr.trusted.overlay.opaque': 'y' }],
      ['an access list as an attribute', { 'SCHILY.xattr.system.posix_acl_access': '\x02\0\0\0' }],
      ['an attribute of a name space that nobody knows', { 'SCHILY.xattr.evil.x': 'y' }],
      ['a character set', { hdrcharset: 'ISO-IR 8859 1 1998' }],
      ['a key that nobody knows', { 'EVIL.key': 'x' }],
      ['a key in other letters', { PATH: './evil' }],
      ['a key with a blank', { 'path ': './evil' }],
      ['a key with a NUL', { 'path\0': './evil' }],
    ] as const
  ).map(([what, records]) => refused(`a record of ${what}`, file(records))),

  accepted('an access list that no program understands', file({ 'SCHILY.acl.access': 'u:root:evil,\nx' }), {
    a: A_FILE,
  }),
  accepted('a user’s attribute of a name that is too long', file({ [`SCHILY.xattr.user.${'n'.repeat(300)}`]: 'x' }), {
    a: A_FILE,
  }),
  accepted('a user’s attribute that is too large', file({ 'SCHILY.xattr.user.x': 'x'.repeat(100_000) }), { a: A_FILE }),
  ...[
    'path',
    'linkpath',
    'size',
    'uid',
    'gid',
    'mtime',
    'GNU.sparse.size',
    'SCHILY.xattr.security.capability',
    'EVIL.key',
  ].map((key) =>
    refused(`a global ${key}`, [globalPax({ [key]: key === 'path' || key === 'linkpath' ? './evil' : '1024' }), A]),
  ),
  accepted('a global comment, as git writes', [globalPax({ comment: '0123456789012345678901234567890123456789' }), A], {
    a: A_FILE,
  }),
  refused('two extended headers for one member', [pax({ path: './first' }), pax({ path: './second' }), A]),
  refused('a global header between an extended one and its member', [
    pax({ path: './first' }),
    globalPax({ comment: 'x' }),
    A,
  ]),
  refused('a global header behind the last member', [A, globalPax({ comment: 'x' })]),
  refused('an extended header of 2 MB', file({ comment: 'x'.repeat(2 << 20) })),
  refused('an extended header of Sun’s type', [pax({ path: './evil' }, { type: 'X' }), A], DISPUTED),

  accepted(
    'records of real programs that say nothing of the file',
    [
      pax({
        'LIBARCHIVE.creationtime': '1.5',
        'SCHILY.dev': '1',
        'SCHILY.ino': '2',
        'SCHILY.nlink': '1',
        atime: '1.25',
        ctime: '2',
        uname: '',
        gname: 'caf\xe9',
        comment: 'x',
        hdrcharset: 'BINARY',
        'RHT.security.selinux': 'system_u:object_r:bin_t:s0',
        'SCHILY.xattr.security.selinux': 'x\0',
        'SCHILY.fflags': 'simmutable',
        'SCHILY.acl.ace': 'owner@:rwx::allow',
      }),
      A,
    ],
    { a: A_FILE },
  ),
  accepted(
    'a user’s attribute',
    [pax({ 'SCHILY.xattr.user.mime': 'text/plain', 'LIBARCHIVE.xattr.user.mime': 'dGV4dA==' }), A],
    {
      a: A_FILE,
    },
  ),
  accepted(
    'name, owner and time in an extended header',
    [pax({ path: './b', uid: '1234', gid: '2345', mtime: '1000000000.25', uname: 'x' }), member({ name: './a' }, 'x')],
    { b: { type: 'file', uid: 1234, gid: 2345, mtime: 1_000_000_000.25, content: 'x' } },
  ),
  accepted(
    'a link target in an extended header',
    [pax({ linkpath: 'far/away' }), header({ name: './a', type: '2', linkname: 'x' }), PLAIN],
    { a: { type: 'link', target: 'far/away' }, plain: PLAIN_FILE },
  ),
];
