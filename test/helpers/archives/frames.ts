import { execFileSync } from 'node:child_process';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { type ExpectedFiles, type HostileArchive, PLAIN, PLAIN_FILE } from './hostile-archive';
import { END, bytesOf, member } from './tar-blocks';

const MEBIBYTES_256 = 256 * 1024 * 1024;

const gzip = (tar: Buffer): Buffer => gzipSync(tar, { level: 1 });
const zstd = (tar: Buffer): Buffer =>
  execFileSync('zstd', ['-1', '-q', '-c'], { input: tar, maxBuffer: MEBIBYTES_256 });
const bzip2 = (tar: Buffer): Buffer => execFileSync('bzip2', ['-1', '-c'], { input: tar, maxBuffer: MEBIBYTES_256 });

const COMPRESSORS = { gzip, zstd, bzip2 };

/** Frames that a reader of zstd passes over. */
function skippable(content: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, bytesOf(content)]);
}

/** A gzip member with every optional field of its header. */
function adornedGzip(tar: Buffer): Buffer {
  const plain = gzip(tar);
  const head = Buffer.from([0x1f, 0x8b, 8, 0b0001_1100, 0, 0, 0, 0, 0, 3]);
  const fields = bytesOf('\x04\0abcdsite.tar\0a comment\0');
  return Buffer.concat([head, fields, deflateRawSync(tar, { level: 1 }), plain.subarray(-8)]);
}

const tarOf = (sound: Buffer): Buffer => Buffer.concat([sound, PLAIN, END]);
const halvesOf = (tar: Buffer): [Buffer, Buffer] => [tar.subarray(0, tar.length >> 1), tar.subarray(tar.length >> 1)];

function refused(name: string, bytes: HostileArchive['bytes'], options: Partial<HostileArchive> = {}): HostileArchive {
  return { name, bytes, expected: { refused: 'ArchiveInvalid' }, ...options };
}

function accepted(
  name: string,
  bytes: (tar: Buffer) => Buffer,
  files: ExpectedFiles = { plain: PLAIN_FILE },
): HostileArchive {
  return { name, bytes: (sound) => bytes(tarOf(sound)), expected: { accepted: files } };
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}

/** What an archive is compressed by, and what stands between and behind its frames. */
export const FRAMES: readonly HostileArchive[] = [
  ...Object.entries(COMPRESSORS).flatMap(([name, compress]) => [
    accepted(`${name}: two frames one after the other`, (tar) => Buffer.concat(halvesOf(tar).map(compress))),
    accepted(`${name}: an empty frame before and behind`, (tar) =>
      Buffer.concat([compress(Buffer.alloc(0)), compress(tar), compress(Buffer.alloc(0))]),
    ),
    refused(`${name}: bytes behind the last frame`, (sound) =>
      Buffer.concat([compress(tarOf(sound)), bytesOf('behind the end')]),
    ),
    refused(`${name}: a byte behind the last frame`, (sound) =>
      Buffer.concat([compress(tarOf(sound)), Buffer.from([1])]),
    ),
    refused(`${name}: members behind the last frame, not compressed`, (sound) =>
      Buffer.concat([compress(tarOf(sound)), member({ name: './evil' }), END]),
    ),
    refused(`${name}: the start of another frame behind the last`, (sound) => {
      const frame = compress(tarOf(sound));
      return Buffer.concat([frame, frame.subarray(0, 9)]);
    }),
    refused(`${name}: another frame, which is damaged`, (sound) =>
      Buffer.concat([compress(tarOf(sound)), flipped(compress(Buffer.alloc(0)), -1)]),
    ),
    refused(
      `${name}: another archive in a second frame`,
      (sound) => Buffer.concat([compress(tarOf(sound)), compress(tarOf(sound))]),
      { expected: { refused: 'ArchiveRefused' } },
    ),
    refused(`${name}: cut in the middle`, (sound) => halvesOf(compress(tarOf(sound)))[0]),
    refused(`${name}: cut by a byte`, (sound) => compress(tarOf(sound)).subarray(0, -1)),
    refused(`${name}: cut in its header`, (sound) => compress(tarOf(sound)).subarray(0, 5)),
    refused(`${name}: cut between two frames, in the middle of a member`, (sound) =>
      compress(halvesOf(tarOf(sound))[0]),
    ),
    refused(`${name}: nothing in its only frame`, () => compress(Buffer.alloc(0))),
    refused(`${name}: compressed twice`, (sound) => compress(compress(tarOf(sound)))),
  ]),
  accepted('gzip: every optional field of its header', adornedGzip),
  accepted('zstd: frames to be passed over, before, between and behind', (tar) => {
    const [first, second] = halvesOf(tar);
    return Buffer.concat([zstd(first), skippable('x'), zstd(second), skippable('another archive?')]);
  }),
  refused('gzip: a wrong checksum', (sound) => flipped(gzip(tarOf(sound)), -8)),
  refused('gzip: a wrong length', (sound) => flipped(gzip(tarOf(sound)), -1)),
  refused('gzip: a method that is not deflate', (sound) => flipped(gzip(tarOf(sound)), 2)),
  refused('zstd: frames to be passed over alone', () => skippable('x')),
  refused('zstd: a frame to be passed over that reaches behind the end', (sound) =>
    Buffer.concat([zstd(tarOf(sound)), skippable('0123456789').subarray(0, -1)]),
  ),
  refused('zstd behind gzip', (sound) => {
    const [first, second] = halvesOf(tarOf(sound));
    return Buffer.concat([gzip(first), zstd(second)]);
  }),
  refused('an archive that is compressed in its second half alone', (sound) => {
    const [first, second] = halvesOf(tarOf(sound));
    return Buffer.concat([first, gzip(second)]);
  }),
  ...(['xz', 'lzma', 'zip', 'cpio', 'ar', '7z'] as const).map((format) =>
    refused(`${format}, which is no tar`, () => OTHER_FORMATS[format]),
  ),
];

/** First bytes of other formats, and enough behind them to be read. */
const OTHER_FORMATS = {
  xz: beginning('\xfd7zXZ\0'),
  lzma: beginning('\x5d\0\0\x80\0'),
  zip: beginning('PK\x03\x04'),
  cpio: beginning('070701'),
  ar: beginning('!<arch>\n'),
  '7z': beginning("7z\xbc\xaf'\x1c"),
};

function beginning(magic: string): Buffer {
  return Buffer.concat([bytesOf(magic), Buffer.alloc(10_240 - magic.length)]);
}
