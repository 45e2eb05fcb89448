import fc from 'fast-check';
import { type Frame, FrameReader, MAXIMUM_HEADER_BYTES, encodeFrame } from '../../../../src/core/hosts/remote/frames';

/** The frames that come of bytes, cut at these places. */
function read(bytes: Buffer, cuts: readonly number[] = []): Frame[] {
  const reader = new FrameReader();
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.flatMap((place, at) => [...reader.take(bytes.subarray(place, places[at + 1] ?? place))]);
}

test('what was sent comes, wherever it is cut on the way', () => {
  const message = fc.record({ header: fc.object(), piece: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat()), (messages, cuts) => {
      const sent = messages.map(({ header, piece }) => ({
        header: JSON.parse(JSON.stringify(header)) as unknown,
        headerBytes: Buffer.byteLength(JSON.stringify(header)),
        piece: Buffer.from(piece),
      }));
      const bytes = Buffer.concat(messages.map(({ header, piece }) => encodeFrame(header, Buffer.from(piece))));
      expect(read(bytes, cuts)).toEqual(sent);
    }),
  );
});

test('a frame comes when it is whole, and not before', () => {
  const bytes = encodeFrame({ type: 'piece' }, Buffer.from('12345'));
  expect(read(bytes.subarray(0, -1))).toEqual([]);
});

const lengths = (header: number, piece: number): Buffer => {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(header, 0);
  prefix.writeUInt32BE(piece, 4);
  return prefix;
};

test.each([
  ['a header that is too long', lengths(MAXIMUM_HEADER_BYTES + 1, 0)],
  ['a header of four gigabytes', lengths(0xffff_ffff, 0)],
  ['no header', lengths(0, 10)],
  ['a piece that is too long', lengths(10, 64 * 1024 + 1)],
  ['what a shell prints at login', Buffer.from('Welcome to web1!\n')],
  ['a header that is no JSON', Buffer.concat([lengths(3, 0), Buffer.from('{a}')])],
  ['brackets without end', Buffer.concat([lengths(1024 ** 2, 0), Buffer.alloc(1024 ** 2, '[')])],
])('%s is refused, as soon as that is seen, and not repeated', (_what, bytes) => {
  expect(() => read(bytes)).toThrow(expect.objectContaining({ name: 'ProtocolViolation' }));
  expect(() => read(bytes)).not.toThrow(/Welcome|\{a\}/);
});

test('what the other end would refuse is not sent', () => {
  expect(() => encodeFrame({ text: 'x'.repeat(MAXIMUM_HEADER_BYTES) })).toThrow('the most');
});
