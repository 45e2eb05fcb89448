import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import fc from 'fast-check';
import { printable } from '../../../src/contract/printable';
import { KedgeError } from '../../../src/contract/errors';
import type { Origin } from '../../../src/core/archive/archive';
import { ArchiveReader, type ArchiveTaker } from '../../../src/core/archive/archive-reader';
import { shown } from '../../../src/core/archive/byte-string';
import { Judge, type Unpacked } from '../../../src/core/archive/judge';
import { END, base256, long, pax, raw } from '../../helpers/raw-tar';

const OWNER = { user: 'anna', uid: 1001, gid: 1002 };
const CATALOGUE: Origin = { from: 'catalogue', owner: OWNER };
const FOREIGN: Origin = { from: 'foreign', owner: OWNER };

interface Judged {
  /** Of the site, with their bodies; implied folders too. */
  readonly members: (Unpacked & { body: string })[];
  readonly dump: string;
  readonly warnings: string[];
  readonly reader: ArchiveReader;
}

/** Reads and judges, in chunks of `step` bytes. @throws KedgeError */
async function judge(archive: Buffer, origin: Origin = CATALOGUE, step = 64 * 1024): Promise<Judged> {
  const members: (Unpacked & { body: string })[] = [];
  let dump = '';
  const taker: ArchiveTaker = {
    dump: () => undefined,
    dumpPart: (part) => void (dump += part.toString('latin1')),
    record: () => undefined,
    recordPart: () => undefined,
    recordEnd: () => undefined,
    site: (member) => void members.push({ ...member, body: '' }),
    sitePart: (part) => {
      const member = members.at(-1);
      if (member) member.body += part.toString('latin1');
    },
    siteEnd: () => undefined,
    end: () => undefined,
    handOn: () => [],
    written: () => null,
  };
  const reader = new ArchiveReader('archive', origin, taker);
  const chunks: Buffer[] = [];
  for (let at = 0; at < archive.length; at += step) chunks.push(archive.subarray(at, at + step));
  Readable.from(chunks).pipe(reader);
  reader.resume();
  await finished(reader);
  return { members, dump, warnings: reader.judge.warnings(), reader };
}

async function refusal(archive: Buffer, origin: Origin = CATALOGUE): Promise<{ code: string; message: string }> {
  const error: unknown = await judge(archive, origin).then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof KedgeError) return { code: error.code, message: error.message };
  throw error;
}

const archive = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, END]);
const ROOT = raw({ name: './', mode: '0000755\0', type: '5' });
const bytes = (text: string): string => Buffer.from(text).toString('latin1');
const paths = ({ members }: Judged): string[] => members.map(({ path }) => path);

describe('what real archives hold is accepted', () => {
  it.each<[string, Buffer[], Partial<Unpacked> & { body?: string }]>([
    [
      'a file of POSIX',
      [raw({ name: './a/../b'.replace('/../', '/'), mode: '0000640\0' }, 'x')],
      { path: 'a/b', mode: 0o640, body: 'x' },
    ],
    ['a file of GNU tar', [raw({ magic: 'ustar  \0' }, 'x')], { path: 'f', body: 'x' }],
    [
      'a file of an old program, without magic',
      [raw({ magic: '', type: '\0', name: 'f' }, 'x')],
      { path: 'f', body: 'x' },
    ],
    ['a folder of an old program', [raw({ magic: '', type: '\0', name: 'd/' })], { path: 'd', type: 'folder' }],
    [
      'old spelling of numbers',
      [raw({ mode: '100644 \0', uid: '    21 \0', gid: '        ', size: '          1 ' }, 'x')],
      { mode: 0o644, uid: 17, gid: 0, size: 1 },
    ],
    ['a prefix', [raw({ prefix: './some/where', name: 'f' })], { path: 'some/where/f' }],
    ['a name as long as its field', [raw({ name: 'n'.repeat(100) })], { path: 'n'.repeat(100) }],
    ['a long name', [long('L', `./${'l'.repeat(200)}`), raw({})], { path: 'l'.repeat(200) }],
    [
      'a long link',
      [long('K', 't'.repeat(300)), raw({ type: '2' })],
      { type: 'symbolic link', linkTarget: 't'.repeat(300) },
    ],
    [
      'both',
      [long('K', 't'.repeat(300)), long('L', 'n'.repeat(200)), raw({ type: '2' })],
      { path: 'n'.repeat(200), linkTarget: 't'.repeat(300) },
    ],
    [
      'owner and group in base 256',
      [raw({ uid: base256(3_000_000n, 8), gid: base256(4_294_967_294n, 8) })],
      { uid: 3_000_000, gid: 4_294_967_294 },
    ],
    ['a size in base 256', [raw({ size: base256(1n, 12) }, 'x')], { size: 1, body: 'x' }],
    ['a time before 1970', [raw({ modified: base256(-5n, 12) })], { modified: '-5' }],
    [
      'records of POSIX',
      [pax({ path: './p', uid: '7', gid: '8', mtime: '12.500', atime: '1', ctime: '2', uname: 'u' }), raw({})],
      { path: 'p', uid: 7, gid: 8, modified: '12.500' },
    ],
    ['a time far ahead', [pax({ mtime: '9223372036854775807.5' }), raw({})], { modified: '9223372036854775807.5' }],
    ['a size of POSIX', [pax({ size: '1' }), raw({ size: '00000000000\0' }, 'x')], { size: 1, body: 'x' }],
    ['a link of POSIX', [pax({ linkpath: bytes('zün\nd') }), raw({ type: '2' })], { linkTarget: bytes('zün\nd') }],
    [
      'access lists and attributes of a user',
      [pax({ 'SCHILY.acl.access': 'user::rw-\nuser:7:r--\n', 'SCHILY.xattr.user.a': 'x\0\ny' }), raw({})],
      {
        extended: new Map([
          ['SCHILY.acl.access', 'user::rw-\nuser:7:r--\n'],
          ['SCHILY.xattr.user.a', 'x\0\ny'],
        ]),
      },
    ],
    [
      'what bsdtar writes beside',
      [
        pax({
          'SCHILY.dev': '1',
          'SCHILY.ino': '2',
          'SCHILY.nlink': '1',
          'LIBARCHIVE.creationtime': '1.5',
          'LIBARCHIVE.xattr.user.a': 'eA',
          hdrcharset: 'BINARY',
        }),
        raw({}),
      ],
      { extended: new Map() },
    ],
    ['the commit that git names', [pax({ comment: 'f09058f' }, 'g'), raw({})], { path: 'f' }],
    ['a name of any bytes', [raw({ name: './\xff\x01\n"\\ü' })], { path: '\xff\x01\n"\\ü' }],
    [
      'records whose values look like records',
      [pax({ comment: '12 path=x\n', path: 'p\n11 path=y\n' }), raw({})],
      { path: 'p\n11 path=y\n' },
    ],
  ])('%s', async (_what, parts, expected) => {
    // Whatever the pieces that it comes in.
    for (const step of [64 * 1024, 1, 511])
      expect((await judge(archive(ROOT, ...parts), CATALOGUE, step)).members.at(-1)).toMatchObject(expected);
  });

  it('paths of 4,093 bytes below the folder, however deep, and names of 255', async () => {
    for (const path of [
      `${'a/'.repeat(2046)}a`,
      Array.from({ length: 16 }, () => 'n'.repeat(255))
        .join('/')
        .slice(0, 4093),
    ]) {
      expect(path).toHaveLength(4093);
      expect((await judge(archive(long('L', `./${path}`), raw({})))).members.at(-1)).toMatchObject({ path });
    }
  });

  it('zeros behind the end, also half a block', async () => {
    expect(paths(await judge(Buffer.concat([archive(ROOT), Buffer.alloc(10_000)])))).toEqual(['']);
  });

  it('a file that comes again, the later one counts', async () => {
    const { reader } = await judge(
      archive(
        ROOT,
        raw({ uid: '0000007\0' }),
        raw({ uid: '0000010\0' }),
        raw({ name: './g', type: '1', linkName: './f' }),
      ),
    );
    const on = await judge(archive(ROOT, raw({ uid: '0000010\0' }), raw({ uid: '0000010\0', name: './g' })));
    expect(reader.judge.tally.differenceTo(on.reader.judge.tally)).toBeNull();
  });
});

describe('what can be read in two ways is refused, from wherever it comes', () => {
  const hidden = raw({ name: './hidden', mode: '0004755\0' }, 'x');
  it.each<[string, Buffer, RegExp, string?]>([
    [
      'a hard link with a size',
      archive(ROOT, raw({}), raw({ type: '1', linkName: './f', name: './g' }, hidden)),
      /"\.\/g" is a hard link, and has a size/,
    ],
    [
      'a hard link with a size of POSIX',
      archive(ROOT, raw({}), pax({ size: '1024' }), raw({ type: '1', linkName: './f', name: './g' }), hidden),
      /has a size/,
    ],
    [
      'a size of POSIX that is 0, on a link',
      archive(
        ROOT,
        raw({}),
        pax({ size: '0' }),
        raw({ type: '1', linkName: './f', name: './g', size: '00000001000\0' }),
      ),
      /has a size/,
    ],
    [
      'a symbolic link with a size',
      archive(ROOT, raw({ type: '2', linkName: 'x' }, hidden)),
      /is a symbolic link, and has a size/,
    ],
    ['a folder with a size', archive(ROOT, raw({ type: '5', name: './d' }, hidden)), /is a folder, and has a size/],
    ['a pipe with a size', archive(ROOT, raw({ type: '6' }, hidden)), /is a named pipe, and has a size/],
    ['a mode in base 256', archive(ROOT, raw({ mode: base256(0o4755n, 8) })), /mode is not plain octal/],
    ['a mode behind a NUL', archive(ROOT, raw({ mode: '\x000004755' })), /mode is not plain octal/],
    ['no mode', archive(ROOT, raw({ mode: '\0'.repeat(8) })), /mode is not plain octal/],
    ['a mode with a sign', archive(ROOT, raw({ mode: '-000755\0' })), /mode is not plain octal/],
    ['a mode with digits behind its end', archive(ROOT, raw({ mode: '644\x004755' })), /mode is not plain octal/],
    ['a mode of bits that no file has', archive(ROOT, raw({ mode: '7000755\0' })), /mode has bits/],
    ['a checksum in base 256', archive(ROOT, raw({ checksum: base256(5000n, 8) })), /checksum/, 'ArchiveInvalid'],
    ['a wrong checksum', archive(ROOT, raw({ checksum: '0000001\0' })), /checksum/, 'ArchiveInvalid'],
    [
      'a block of zeros with a checksum alone',
      archive(ROOT, Buffer.from(`${'\0'.repeat(148)}000400\0 ${'\0'.repeat(356)}`), hidden),
      /mode is not plain octal/,
    ],
    ['one block of zeros, and more', archive(ROOT, Buffer.alloc(512), hidden), /behind the end/],
    ['more behind the end', Buffer.concat([archive(ROOT), hidden]), /behind the end/],
    [
      'a byte behind the end, late',
      Buffer.concat([archive(ROOT), Buffer.alloc(200_000), Buffer.from('x')]),
      /behind the end/,
    ],
    ['no end', ROOT, /ends before its end/, 'ArchiveInvalid'],
    ['half an end', Buffer.concat([ROOT, Buffer.alloc(512)]), /ends before its end/, 'ArchiveInvalid'],
    [
      'an end in the middle of a body',
      Buffer.concat([ROOT, raw({ size: '00000002000\0' }, 'x')]),
      /ends before its end/,
      'ArchiveInvalid',
    ],
    ['nothing', Buffer.alloc(0), /holds no members/, 'ArchiveInvalid'],
    ['a magic that is not known', archive(ROOT, raw({ magic: 'ustar\x0001' })), /magic that is not known/],
    [
      'something in a header without magic',
      archive(ROOT, raw({ magic: '', type: '\0', prefix: 'x' })),
      /without magic/,
    ],
    ['something behind a header', archive(ROOT, raw({ over: [508, 'tar\0'] })), /more than its format has/],
    [
      'a sparse map in the header of GNU tar',
      archive(ROOT, raw({ magic: 'ustar  \0', over: [386, '1'] })),
      /more than GNU tar writes/,
    ],
    ['a name behind the end of a name', archive(ROOT, raw({ over: [10, 'x'] })), /goes on behind its end/],
    ['a size that is negative', archive(ROOT, raw({ size: base256(-1n, 12) })), /size is negative/],
    ['a size beyond all disks', archive(ROOT, raw({ size: base256(1n << 60n, 12) })), /too large/],
    ['an owner that is none', archive(ROOT, raw({ uid: base256(0xffffffffn, 8) })), /owner or group is none/],
    ['an owner of POSIX that is none', archive(ROOT, pax({ uid: '4294967295' }), raw({})), /no owner or group/],
    ['an owner in hexadecimal', archive(ROOT, pax({ uid: '0x10' }), raw({})), /is no number/],
    ['a time beyond 64 bits', archive(ROOT, pax({ mtime: '9223372036854775808' }), raw({})), /a time/],
    ['a time that is none', archive(ROOT, pax({ mtime: '1e3' }), raw({})), /a time/],
    [
      'a record that is not known',
      archive(ROOT, pax({ 'SCHILY.filetype': 'f' }), raw({})),
      /not known \("SCHILY\.filetype"\)/,
    ],
    [
      'a capability',
      archive(ROOT, pax({ 'SCHILY.xattr.security.capability': 'x' }), raw({})),
      /not known \("SCHILY\.xattr\.security\.capability"\)/,
    ],
    ['an attribute of the system', archive(ROOT, pax({ 'SCHILY.xattr.trusted.overlay': 'x' }), raw({})), /not known/],
    [
      'a sparse file of POSIX',
      archive(ROOT, pax({ 'GNU.sparse.major': '1' }), raw({})),
      /not known \("GNU\.sparse\.major"\)/,
    ],
    ...['GNU.sparse.size', 'GNU.sparse.numblocks', 'GNU.sparse.map', 'GNU.sparse.name', 'GNU.sparse.realsize'].map(
      (keyword): [string, Buffer, RegExp] => [
        `a sparse file by ${keyword}`,
        archive(ROOT, pax({ [keyword]: '1' }), raw({})),
        new RegExp(`not known \\("${keyword.replaceAll('.', '\\.')}"\\)`),
      ],
    ),
    ['a sparse file of Solaris', archive(ROOT, pax({ 'SUN.holesdata': ' 0 1' }), raw({})), /not known/],
    [
      'a sparse file of GNU tar',
      archive(ROOT, raw({ type: 'S', magic: 'ustar  \0' })),
      /of a kind that no site backup holds/,
    ],
    ['a record that is too long', archive(ROOT, raw({ type: 'x' }, '20 path=x\n'), raw({})), /length it states/],
    ['a record that is too short', archive(ROOT, raw({ type: 'x' }, '9 path=x\n '), raw({})), /how long|length/],
    [
      'a record that ends before its newline',
      archive(ROOT, raw({ type: 'x' }, '11 path=xyz8 uid=1\n'), raw({})),
      /length it states/,
    ],
    ['a record without a keyword', archive(ROOT, raw({ type: 'x' }, '5 ab\n'), raw({})), /how long|length/],
    ['a record that comes twice', archive(ROOT, raw({ type: 'x' }, '10 path=x\n10 path=y\n'), raw({})), /"path" twice/],
    ['a record of no name', archive(ROOT, pax({ path: '' }), raw({})), /"path" of an extended header is none/],
    ['a NUL in a name of POSIX', archive(ROOT, pax({ path: 'a\0b' }), raw({})), /"path" of an extended header is none/],
    ['a NUL in a long name', archive(ROOT, long('L', 'a\0b'), raw({})), /holds a NUL/],
    ['a name said twice', archive(ROOT, long('L', 'a'), pax({ path: 'b' }), raw({})), /described twice/],
    ['two extended headers', archive(ROOT, pax({ path: 'a' }), pax({ uid: '0' }), raw({})), /described twice/],
    ['two long names', archive(ROOT, long('L', 'a'), long('L', 'b'), raw({})), /described twice/],
    ['an extended header of nothing', archive(ROOT, pax({ path: 'a' })), /describes no member/],
    [
      'an extended header that is too large',
      archive(ROOT, pax({ comment: 'x'.repeat(1024 * 1024) }), raw({})),
      /too large/,
    ],
    ['a long name without end', archive(ROOT, raw({ type: 'L', size: '00000020001\0' })), /too large/],
    ['a path for all members', archive(pax({ path: 'a' }, 'g'), ROOT), /for all members/],
    ['a size for all members', archive(pax({ size: '0' }, 'g'), ROOT), /for all members/],
    ['an extended header of nothing for all members', archive(ROOT, pax({ comment: 'x' }, 'g')), /describes no member/],
    ['a long name of nothing', archive(ROOT, long('L', 'x')), /describes no member/],
    [
      'a header for all members between a member and its own',
      archive(ROOT, pax({ path: 'a' }), pax({ comment: 'x' }, 'g'), raw({})),
      /describes no member/,
    ],
    ['a long name that is none', archive(ROOT, long('L', ''), raw({})), /a long name is none/],
    ['an extended header that is empty', archive(ROOT, raw({ type: 'x' }), raw({})), /empty or too large/],
    ['a long target without end', archive(ROOT, raw({ type: 'K', size: '00000020001\0' })), /empty or too large/],
    ['a header for all members without end', archive(ROOT, raw({ type: 'g', size: '00000200001\0' })), /too large/],
    ['two sizes', archive(ROOT, pax({ size: '1' }), raw({ size: '00000000002\0' }, 'xy')), /two sizes/],
    ['a size of POSIX with a sign', archive(ROOT, pax({ size: '+1' }), raw({}, 'x')), /is no number/],
    ['a size of POSIX beyond whole numbers', archive(ROOT, pax({ size: '9007199254740993' }), raw({})), /is no number/],
    [
      'zeros behind the end, without end',
      Buffer.concat([archive(ROOT), Buffer.alloc(64 * 1024 * 1024 + 1)]),
      /zeros behind its end/,
    ],
    ['a target on a file', archive(ROOT, long('K', 'x'), raw({})), /is no link/],
    ['a file named as a folder', archive(ROOT, raw({ name: './d/' })), /named as a folder/],
    [
      'an old folder with a body',
      archive(ROOT, raw({ name: './d/', type: '\0', magic: '' }, 'x')),
      /is a folder, and has a size/,
    ],
    ...['D', 'M', 'N', 'V', 'A', 'X', '7', '8', 'a'].map((type): [string, Buffer, RegExp] => [
      `the kind ${type}`,
      archive(ROOT, raw({ type })),
      new RegExp(`of a kind that no site backup holds \\("${type}"\\)`),
    ]),
  ])('%s', async (_what, bad, message, code = 'ArchiveRefused') => {
    for (const origin of [CATALOGUE, FOREIGN])
      expect(await refusal(bad, origin)).toEqual({ code, message: expect.stringMatching(message) as unknown });
  });
});

describe('what leads elsewhere is refused', () => {
  const link = raw({ name: './l', type: '2', linkName: '/etc' });
  it.each<[string, Buffer, RegExp]>([
    ['an absolute path', archive(raw({ name: '/etc/passwd' })), /is an absolute path/],
    ['a path that leads out', archive(raw({ name: './a/../../b' })), /leads out/],
    ['a path that leads out and in again', archive(raw({ name: './a/../b' })), /leads out/],
    ['a path that begins outside', archive(raw({ name: '../b' })), /leads out/],
    ['a path that ends outside', archive(raw({ name: './a/..', type: '5' })), /leads out/],
    ['a path that is outside', archive(raw({ name: '..', type: '5' })), /leads out/],
    ['a path out of a declared folder', archive(raw({ name: './.kedge/roots/media/../../../b' })), /leads out/],
    [
      'a name that is too long',
      archive(raw({ prefix: 'n'.repeat(155), name: 'x' }), long('L', 'n'.repeat(256)), raw({})),
      /a name longer than 255/,
    ],
    ['a path that is too long', archive(long('L', `${'a/'.repeat(2046)}aa`), raw({})), /a path longer than 4093/],
    ['a target that is too long', archive(ROOT, long('K', 't'.repeat(4096)), raw({ type: '2' })), /link to nothing/],
    ['a target of nothing', archive(ROOT, raw({ type: '2' })), /link to nothing/],
    ['a path through a link', archive(ROOT, link, raw({ name: './l/x' })), /passes through a link/],
    [
      'a path through a link to a link',
      archive(ROOT, link, raw({ name: './m', type: '1', linkName: './l' }), raw({ name: './m/x' })),
      /passes through a link/,
    ],
    [
      'a path through a link by the escaped name',
      archive(
        ROOT,
        raw({ name: './.kedge/site/.kedge', type: '2', linkName: '/etc' }),
        raw({ name: './.kedge/site/.kedge/x' }),
      ),
      /passes through a link/,
    ],
    ['a path through a file', archive(ROOT, raw({}), raw({ name: './f/x' })), /passes through a file/],
    [
      'a path through what is left out',
      archive(ROOT, raw({ type: '6' }), raw({ name: './f/x' })),
      /passes through a file/,
    ],
    ['a path through a link, deep', archive(ROOT, link, raw({ name: './l/a/b/c' })), /passes through a link/],
    ['a folder behind a link', archive(ROOT, link, raw({ name: './l/d', type: '5' })), /passes through a link/],
    ['a link behind a link', archive(ROOT, link, raw({ name: './l/m', type: '2', linkName: 'x' })), /through a link/],
    [
      'a hard link behind a link',
      archive(ROOT, raw({}), link, raw({ name: './l/m', type: '1', linkName: './f' })),
      /passes through a link/,
    ],
    [
      'a path through a link of a declared folder',
      archive(
        ROOT,
        raw({ name: './.kedge/roots/media/l', type: '2', linkName: '/etc' }),
        raw({ name: './.kedge/roots/media/l/x' }),
      ),
      /passes through a link/,
    ],
    [
      'a file in the place of a hard link to a link',
      archive(ROOT, link, raw({ name: './m', type: '1', linkName: './l' }), raw({ name: './m' })),
      /comes again after a link/,
    ],
    [
      'a hard link in the place of a link',
      archive(ROOT, raw({}), link, raw({ name: './l', type: '1', linkName: './f' })),
      /comes again after a link/,
    ],
    [
      'a hard link to a link in the place of a file',
      archive(ROOT, raw({}), link, raw({ type: '1', linkName: './l' })),
      /comes again after another kind/,
    ],
    [
      'a hard link in the place of a folder',
      archive(ROOT, raw({}), raw({ name: './d', type: '5' }), raw({ name: './d', type: '1', linkName: './f' })),
      /comes again after a folder/,
    ],
    [
      'a file in the place of a folder',
      archive(ROOT, raw({ name: './d', type: '5' }), raw({ name: './d' })),
      /comes again after a folder/,
    ],
    [
      'a file in the place of a folder that was only implied',
      archive(ROOT, raw({ name: './d/x' }), raw({ name: './d' })),
      /comes again after a folder/,
    ],
    ['a folder in the place of a file', archive(ROOT, raw({}), raw({ type: '5' })), /comes again after another kind/],
    ['a file in the place of what is left out', archive(ROOT, raw({ type: '6' }), raw({})), /after another kind/],
    [
      'a link in the place of what is left out',
      archive(ROOT, raw({ name: './l', type: '6' }), link),
      /comes again after another kind/,
    ],
    ['a pipe in the place of a file', archive(ROOT, raw({}), raw({ type: '6' })), /comes again as another kind/],
    ['a device in the place of a link', archive(ROOT, link, raw({ name: './l', type: '3' })), /as another kind/],
    [
      'a disk in the place of a folder',
      archive(ROOT, raw({ name: './d', type: '5' }), raw({ name: './d', type: '4' })),
      /comes again as another kind/,
    ],
    ['a file in the place of a link', archive(ROOT, link, raw({ name: './l' })), /comes again after a link/],
    [
      'a folder in the place of a link',
      archive(ROOT, link, raw({ name: './l', type: '5' })),
      /comes again after a link/,
    ],
    ['a link in the place of a link', archive(ROOT, link, link), /comes again after a link/],
    [
      'a link in the place of a folder',
      archive(ROOT, raw({ name: './l', type: '5' }), link),
      /comes again after a folder/,
    ],
    [
      'a link in the place of a folder that was only implied',
      archive(ROOT, raw({ name: './l/x' }), link),
      /comes again after a folder/,
    ],
    ['a link in the place of a file', archive(ROOT, raw({ name: './l' }), link), /comes again/],
    [
      'a link in the place of the site folder',
      archive(raw({ name: './', type: '2', linkName: '/etc' })),
      /folders of the site alone/,
    ],
    ['a pipe in the place of the site folder', archive(raw({ name: './', type: '6' })), /folders of the site alone/],
    [
      'a hard link in the place of the site folder',
      archive(raw({ name: './', type: '1', linkName: './f' })),
      /folders of the site alone/,
    ],
    [
      'a link in the place of a declared folder',
      archive(ROOT, raw({ name: './.kedge/roots/media', type: '2', linkName: '/etc' })),
      /folders of the site alone/,
    ],
    [
      'a file in the place of a declared folder',
      archive(ROOT, raw({ name: './.kedge/roots/media' })),
      /folders of the site alone/,
    ],
    [
      'a file in the place of the folder of declared folders',
      archive(ROOT, raw({ name: './.kedge/roots' })),
      /folders of the site alone/,
    ],
    [
      'a declared folder of a name that none may have',
      archive(ROOT, raw({ name: './.kedge/roots/a.b/f' })),
      /folders of the site alone/,
    ],
    ['a hard link to nothing', archive(ROOT, raw({ type: '1', linkName: './none' })), /does not come before it/],
    ['a hard link to itself', archive(ROOT, raw({}), raw({ type: '1', linkName: './f' })), /no other file/],
    ['a hard link to a folder', archive(ROOT, raw({ type: '1', linkName: './' })), /no other file/],
    [
      'a hard link through a link',
      archive(ROOT, link, raw({ name: './m', type: '1', linkName: './l/passwd' })),
      /does not come before it/,
    ],
    [
      'a hard link that leads out',
      archive(ROOT, raw({}), raw({ name: './g', type: '1', linkName: './a/../../f' })),
      /leads out/,
    ],
    [
      'a hard link to the record',
      archive(raw({ name: './.kedge/backup.json' }), ROOT, raw({ type: '1', linkName: './.kedge/backup.json' })),
      /not unpacked/,
    ],
    [
      'a hard link to what is ours, and not known',
      archive(ROOT, raw({ type: '1', linkName: './.kedge/other' })),
      /in another folder of the site/,
    ],
    ['a hard link outside', archive(ROOT, raw({ type: '1', linkName: '/etc/shadow' })), /absolute/],
    [
      'a hard link to the dump',
      archive(raw({ name: './database.sql' }), ROOT, raw({ type: '1', linkName: './database.sql' })),
      /not unpacked/,
    ],
    [
      'a dump that is a link',
      archive(raw({ name: './database.sql', type: '2', linkName: '/etc/shadow' })),
      /is no file/,
    ],
    [
      'a dump that is a hard link',
      archive(ROOT, raw({}), raw({ name: './database.sql', type: '1', linkName: './f' })),
      /is no file/,
    ],
    ['a dump that is a device', archive(raw({ name: './database.sql', type: '4' })), /is no file/],
    [
      'a record that is a link',
      archive(raw({ name: './.kedge/backup.json', type: '2', linkName: '/etc/shadow' })),
      /is no file/,
    ],
    ['two dumps', archive(raw({ name: './database.sql' }), ROOT, raw({ name: './database.sql' })), /twice/],
    ['two records', archive(raw({ name: './.kedge/backup.json' }), raw({ name: './.kedge/backup.json' })), /twice/],
    ['a dump in another spelling', archive(raw({ name: 'database.sql' })), /spelled/],
    ['a dump in a longer spelling', archive(raw({ name: '././database.sql' })), /spelled/],
    ['a record in another spelling', archive(raw({ name: './.kedge//backup.json' })), /spelled/],
    ['a folder of ours in another spelling', archive(raw({ name: '.kedge/roots/media/f' })), /spelled/],
    ['a dump as a folder', archive(raw({ name: './database.sql/', type: '5' })), /is no file/],
    ['something of ours that is not known', archive(raw({ name: './.kedge/other' })), /folders of the site alone/],
    ['an escaped name that is none', archive(raw({ name: './.kedge/site/index.php' })), /folders of the site alone/],
    ['a file in the place of our folder', archive(raw({ name: './.kedge' })), /folders of the site alone/],
  ])('%s', async (_what, bad, message) => {
    expect(await refusal(bad)).toEqual({ code: 'ArchiveRefused', message: expect.stringMatching(message) as unknown });
  });
});

describe('whose files they become', () => {
  const ids = { uid: '0001751\0', gid: '0001752\0' };
  const setuid = (fields = {}): Buffer => raw({ name: './s', mode: '0006755\0', ...fields });

  it('from the catalogue: those of the archive; implied folders are the site owner’s', async () => {
    const { members, warnings } = await judge(archive(raw({ name: './a/b/f', uid: '0000021\0' })));
    expect(members.map(({ path, type, uid, gid, mode }) => [path, type, uid, gid, mode])).toEqual([
      ['', 'folder', 1001, 1002, 0o755],
      ['a', 'folder', 1001, 1002, 0o755],
      ['a/b', 'folder', 1001, 1002, 0o755],
      ['a/b/f', 'file', 17, 0, 0o644],
    ]);
    expect(warnings).toEqual([]);
  });

  it('from the catalogue: setuid and setgid bits stay where all is the site owner’s, and are else taken off', async () => {
    const { members, warnings } = await judge(
      archive(
        ROOT,
        setuid(ids),
        setuid({ ...ids, name: './group', gid: '0000000\0' }),
        setuid({ ...ids, name: './user', uid: '0000000\0' }),
        setuid({ name: './root' }),
        setuid({ name: './only-user', mode: '0004755\0' }),
        setuid({ name: './only-group', mode: '0002755\0' }),
        setuid({ name: './sticky', mode: '0001755\0' }),
      ),
    );
    expect(members.map(({ path, mode }) => [path, mode.toString(8)])).toEqual([
      ['', '755'],
      ['s', '6755'],
      ['group', '755'],
      ['user', '755'],
      ['root', '755'],
      ['only-user', '755'],
      ['only-group', '755'],
      ['sticky', '1755'],
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/are taken off: \.\/group, \.\/user, \.\/root, \.\/only-user, \.\/only-group$/),
    ]);
  });

  it('from the catalogue: never root’s, though root owned the site', async () => {
    const root: Origin = { from: 'catalogue', owner: { user: 'root', uid: 0, gid: 0 } };
    expect((await judge(archive(ROOT, setuid()), root)).members.at(-1)).toMatchObject({ mode: 0o755 });
    for (const owner of [
      { user: 'half', uid: 0, gid: 1002 },
      { user: 'half', uid: 1001, gid: 0 },
    ]) {
      const [uid, gid] = [owner.uid, owner.gid].map((id) => `${id.toString(8).padStart(7, '0')}\0`);
      const half: Origin = { from: 'catalogue', owner };
      expect((await judge(archive(ROOT, setuid({ uid, gid })), half)).members.at(-1)).toMatchObject({ mode: 0o755 });
    }
    const nobody: Origin = { from: 'catalogue', owner: null };
    expect((await judge(archive(ROOT, setuid(ids)), nobody)).members.at(-1)).toMatchObject({ mode: 0o755 });
  });

  it('from the catalogue: pipes, devices and links to them are left out', async () => {
    const judged = await judge(
      archive(
        ROOT,
        raw({ name: './p', type: '6' }),
        raw({ name: './c', type: '3' }),
        raw({ name: './b', type: '4' }),
        raw({ name: './again', type: '1', linkName: './p' }),
        raw({}),
      ),
    );
    expect(paths(judged)).toEqual(['', 'f']);
    expect(judged.warnings).toEqual(['named pipes and devices of the archive are left out: ./p, ./c, ./b, ./again']);
    expect(judged.reader.judge.members).toBe(6);
  });

  it('hard links into another folder of the site: from the catalogue left out, and what leads to them too; else refused', async () => {
    const joining = archive(
      ROOT,
      raw({}),
      raw({ name: './.kedge/roots/media/', type: '5' }),
      raw({ name: './.kedge/roots/media/m', type: '1', linkName: './f' }),
      raw({ name: './.kedge/roots/media/again', type: '1', linkName: './.kedge/roots/media/m' }),
    );
    const judged = await judge(joining);
    expect(judged.members.map(({ root, path }) => [root, path])).toEqual([
      ['site', ''],
      ['site', 'f'],
      ['media', ''],
    ]);
    expect(judged.warnings).toEqual([
      'named pipes and devices of the archive are left out: ./.kedge/roots/media/again',
      'hard links into another folder of the site are left out: ./.kedge/roots/media/m',
    ]);
    expect(await refusal(joining, FOREIGN)).toMatchObject({
      code: 'ArchiveRefused',
      message: expect.stringMatching(/in another folder of the site/) as unknown,
    });
  });

  it('a folder of the site that no member speaks of is there all the same, and is the owner’s', async () => {
    const { reader } = await judge(archive(ROOT));
    expect(reader.judge.impliedRoots(['site', 'media'])).toMatchObject([
      { root: 'media', path: '', type: 'folder', uid: 1001, gid: 1002, mode: 0o755 },
    ]);
  });

  it('attributes beyond a mebibyte are left out, however many there are; other records count', async () => {
    const attribute = (name: string): [string, string] => [`SCHILY.xattr.user.${name}`, 'x'.repeat(400_000)];
    const records = { ...Object.fromEntries(['a', 'b', 'c', 'd'].map(attribute)), mtime: '17.5' };
    const { members, warnings } = await judge(
      archive(ROOT, pax(records), raw({}), raw({ name: './g' })),
      CATALOGUE,
      10_007,
    );
    expect(members.map(({ path, modified, extended }) => [path, modified, [...extended.keys()]])).toEqual([
      ['', '0', []],
      ['f', '17.5', ['SCHILY.xattr.user.a', 'SCHILY.xattr.user.b']],
      ['g', '0', []],
    ]);
    expect(warnings).toEqual(['attributes of users beyond one MiB a file are left out: ./f']);
    const cut = raw({ type: 'x' }, `2000000 SCHILY.xattr.user.a=${'x'.repeat(1_000_000)}`);
    expect((await refusal(archive(ROOT, cut, raw({})))).message).toMatch(/length it states/);
  });

  it('foreign: everything is the site owner’s, said once', async () => {
    const { members, warnings } = await judge(
      archive(
        ROOT,
        raw({ uid: '0000021\0' }),
        raw({ name: './l', type: '2', linkName: 'f' }),
        raw({ name: './own', ...ids }),
      ),
      FOREIGN,
    );
    for (const { uid, gid } of members) expect([uid, gid]).toEqual([1001, 1002]);
    expect(warnings).toEqual(["the archive holds files of other accounts; all becomes anna's: ./, ./f, ./l"]);
  });

  it.each<[string, Buffer, RegExp]>([
    ['a setuid file', setuid(), /setuid/],
    ['a setuid file of the owner', setuid(ids), /setuid/],
    ['a setgid file', setuid({ mode: '0002755\0' }), /setgid/],
    ['a pipe', raw({ type: '6' }), /is a named pipe/],
    ['a device', raw({ type: '3' }), /is a character device/],
    ['a disk', raw({ type: '4' }), /is a block device/],
  ])('foreign: %s is refused', async (_what, bad, message) => {
    expect(await refusal(archive(ROOT, bad), FOREIGN)).toMatchObject({
      code: 'ArchiveRefused',
      message: expect.stringMatching(message) as unknown,
    });
  });

  it.each([CATALOGUE, FOREIGN])('folders keep setgid and sticky bits: $from', async (origin) => {
    const { members } = await judge(archive(ROOT, raw({ name: './d', type: '5', mode: '0003775\0' })), origin);
    expect(members.at(-1)).toMatchObject({ mode: 0o3775 });
  });
});

describe('links that escape are kept, and told', () => {
  const roots = [
    { name: 'site', path: '/srv/site' },
    { name: 'media', path: '/srv/media' },
  ];
  const told = (judge: Judge, path: string, linkTarget: string): boolean => {
    const before = judge.leavingLinks.length;
    judge.judge({
      ...{ path, type: 'symbolic link', linkTarget, mode: 0o777, uid: 0, gid: 0, size: 0, modified: '0' },
      ...{ extended: new Map(), attributesSkipped: false },
    });
    return judge.leavingLinks.length > before;
  };
  const media = './.kedge/roots/media';

  it.each([
    ['./a', 'f', false],
    ['./a', './', false],
    ['./a/b', '../f', false],
    ['./a/b', '../../f', true],
    ['./a', '..', true],
    ['./a', '../site/f', false],
    ['./a', '../sitex/f', true],
    ['./a', '../media/f', false],
    ['./a', '/srv/site', false],
    ['./a', '/srv/site/../x', true],
    ['./a', '/srv/media/f', false],
    ['./a', '/srv/mediax', true],
    ['./a', '/srv', true],
    ['./a', '/etc/passwd', true],
    [`${media}/a`, 'f', false],
    [`${media}/a`, '../site/f', false],
    [`${media}/a/b`, '../../x', true],
  ])('%s -> %s: %s', (path, target, leaves) => {
    for (const origin of [CATALOGUE, FOREIGN]) {
      const judge = new Judge(origin);
      judge.roots = roots;
      expect(told(judge, path, target)).toBe(leaves);
    }
  });

  it('where the folders were is not known: what is absolute, and what leads above', () => {
    const judge = new Judge(FOREIGN);
    expect(told(judge, './a', 'b')).toBe(false);
    expect(told(judge, './b', '../b')).toBe(true);
    expect(told(judge, './c', '/srv/site/f')).toBe(true);
  });

  it('the first hundred of them', () => {
    const judge = new Judge(CATALOGUE);
    for (let at = 0; at < 150; at += 1) told(judge, `./${at}`, '/etc');
    expect(judge.leavingLinks).toHaveLength(100);
    expect(judge.leavingLinks[0]).toBe('./0 -> /etc');
  });
});

it('a name or a target with a NUL is refused, whoever reads it', () => {
  const member = { mode: 0o644, uid: 0, gid: 0, size: 0, modified: '0', extended: new Map(), attributesSkipped: false };
  const judge = new Judge(CATALOGUE);
  expect(() => judge.judge({ ...member, path: './a\0b', type: 'file', linkTarget: '' })).toThrow(/holds a NUL/);
  expect(() => judge.judge({ ...member, path: './a', type: 'symbolic link', linkTarget: 'x\0y' })).toThrow(
    /link to nothing/,
  );
  expect(() => judge.judge({ ...member, path: './a', type: 'hard link', linkTarget: './x\0y' })).toThrow(/holds a NUL/);
});

describe('names in messages', () => {
  it.each([
    ['plain', 'plain'],
    [bytes('grün 日本 😀'), 'grün 日本 😀'],
    ['\x1b[2J', String.raw`\u001b[2J`],
    ['a\nb"c\\', String.raw`a\nb\"c\\`],
    ['\xff\xc3', String.raw`\xff\xc3`],
    [bytes('\u009b31m'), String.raw`\u009b31m`],
    [bytes('\u202egnp.exe'), String.raw`\u202egnp.exe`],
    [bytes('\u2028'), String.raw`\u2028`],
    ['\xed\xa0\x80', String.raw`\xed\xa0\x80`],
    [bytes('\ufffd'), '\ufffd'],
    ['x'.repeat(1000), `${'x'.repeat(200)}…`],
  ])('%j', (name, text) => {
    expect(shown(name)).toBe(text);
  });

  it('hold nothing that acts on a terminal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (name) => {
        const text = shown(Buffer.from(name).toString('latin1'));
        expect(printable(text)).toBe(text);
      }),
    );
  });

  it('are escaped in a refusal', async () => {
    expect((await refusal(archive(raw({ name: '/\x1b]0;x\x07' })))).message).toBe(
      String.raw`archive: "/\u001b]0;x\u0007" is an absolute path`,
    );
  });
});

it('memory stays small, however many folders there are and however long their names', async () => {
  const script = `
    const { Judge } = require('./dist/src/core/archive/judge.js');
    const judge = new Judge({ from: 'catalogue', owner: null });
    const member = (path) => ({ path, type: 'folder', linkTarget: '', mode: 0o755, uid: 0, gid: 0, size: 0, modified: '0', extended: new Map() });
    judge.judge(member('./'));
    for (let at = 0; at < 500_000; at += 1) judge.judge(member('./' + at + 'n'.repeat(200)));
    global.gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    process.stdout.write(String(heapUsed + arrayBuffers));`;
  const used = Number(execFileSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8' }));
  expect(used).toBeLessThan(32 * 1024 * 1024);
});
