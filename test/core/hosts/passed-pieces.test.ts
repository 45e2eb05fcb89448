import { Readable, Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

const MEBIBYTE = 1024 * 1024;
const before = globalThis.gc;

beforeAll(() => {
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction;
});
afterAll(() => {
  globalThis.gc = before;
});

/** The most that pieces of streams took meanwhile, bytes, over what they take when nothing flows. */
async function mostOf(flow: (look: () => void) => Promise<unknown>): Promise<number> {
  globalThis.gc?.();
  const idle = process.memoryUsage().arrayBuffers;
  let most = 0;
  await flow(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - idle);
  });
  return most;
}

test('what a program writes takes little memory while it passes through, however much it is', async () => {
  let bytes = 0;
  const most = await mostOf((look) =>
    createLocalHost({ name: 'here' }).run({
      argv: ['head', '-c', `${256 * MEBIBYTE}`, '/dev/zero'],
      output: new Writable({
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          look();
          done();
        },
      }),
      operation: testOperation(),
    }),
  );
  expect(bytes).toBe(256 * MEBIBYTE);
  expect(most).toBeLessThan(12 * MEBIBYTE);
});

test('so does what a program is given', async () => {
  const most = await mostOf((look) => {
    function* pieces(): Generator<Buffer> {
      for (let piece = 0; piece < 256 * 16; piece += 1) {
        yield Buffer.alloc(MEBIBYTE / 16);
        look();
      }
    }
    return createLocalHost({ name: 'here' }).run({
      argv: ['sh', '-c', 'cat >/dev/null'],
      input: Readable.from(pieces()),
      operation: testOperation(),
    });
  });
  expect(most).toBeLessThan(12 * MEBIBYTE);
});
