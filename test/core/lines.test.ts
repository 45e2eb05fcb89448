import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { type LineEncoding, LineReader, linesInto } from '../../src/core/lines';

function read(chunks: readonly Buffer[], encoding: LineEncoding = 'utf8'): string[] {
  const lines: string[] = [];
  const reader = new LineReader(encoding, (line) => lines.push(line));
  for (const chunk of chunks) reader.take(chunk);
  reader.end();
  reader.end();
  return lines;
}

const TEXT = Buffer.from('café\n\nnaïve \u{1f642}\r\nlast');

it('wherever a chunk ends, in the middle of a letter too, the lines are the same', () => {
  const whole = ['café', '', 'naïve \u{1f642}\r', 'last'];
  for (let first = 0; first <= TEXT.length; first += 1)
    expect(read([TEXT.subarray(0, first), TEXT.subarray(first)])).toEqual(whole);
  expect(read([...TEXT].map((byte) => Buffer.of(byte)))).toEqual(whole);
});

it('bytes that are no letters are kept as they are', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10));
  expect(read([bytes], 'latin1')).toEqual([bytes.toString('latin1')]);
});

it('of a line without an end the beginning is kept, and the next one is whole', () => {
  const [first = '', ...others] = read([
    ...Array.from({ length: 200 }, (_, at) => Buffer.alloc(1000, at % 2 === 0 ? 'a' : 'b')),
    Buffer.from('tail\nnext\n'),
  ]);
  expect(first).toBe(
    Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? 'a' : 'b').repeat(1000))
      .join('')
      .slice(0, 64 * 1024),
  );
  expect(others).toEqual(['next']);
});

it('as a stream it tells the last line at its end, and fails with what its reader throws', async () => {
  const lines: string[] = [];
  await pipeline(
    Readable.from([Buffer.from('a\nb')]),
    linesInto('latin1', (line) => void lines.push(line)),
  );
  expect(lines).toEqual(['a', 'b']);
  for (const text of ['a\n', 'a'])
    await expect(
      pipeline(
        Readable.from([Buffer.from(text)]),
        linesInto('latin1', () => {
          throw new Error('not this one');
        }),
      ),
    ).rejects.toThrow('not this one');
});
