import { Readable, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { testOperation } from '../../../helpers/operation';
import { until } from '../../../helpers/until';
import { type Machine, type MachineFactory, processesWith, uniqueSleep } from '../machine';

const MEBIBYTE = 1024 ** 2;
const PIECE = 64 * 1024;

/** What holds of long streams to and from a host that is reached by a connection. */
export function describeStreams(name: string, makeMachine: MachineFactory): void {
  describe(`long streams: ${name}`, () => {
    let machine: Machine;
    beforeAll(async () => {
      machine = await makeMachine();
    });
    afterAll(() => machine.dispose());

    /** A source that counts what was taken of it. */
    function source(bytes: number): { input: Readable; given: () => number } {
      let given = 0;
      function* pieces(): Generator<Buffer> {
        for (; given < bytes; given += PIECE) yield Buffer.alloc(PIECE, given / PIECE);
      }
      return { input: Readable.from(pieces()), given: () => given };
    }

    test('200 MiB go there and back, and never more than a part of them is on the way', async () => {
      const { input, given } = source(200 * MEBIBYTE);
      let taken = 0;
      let most = 0;
      const output = new Writable({
        highWaterMark: PIECE,
        write(chunk: Buffer, _encoding, done) {
          taken += chunk.length;
          most = Math.max(most, given() - taken);
          // Slower than the source.
          void turn()
            .then(() => turn())
            .then(() => done());
        },
      });
      await machine.host.run({ argv: ['cat'], sandbox: {}, input, output, operation: testOperation() });
      expect(taken).toBe(200 * MEBIBYTE);
      // Two windows, what is in pipes and in the buffers of the network.
      expect(most).toBeLessThan(24 * MEBIBYTE);
    });

    test('who takes nothing for a while holds up what comes, and no other', async () => {
      let goOn = (): void => undefined;
      const waiting = new Promise<void>((resolve) => (goOn = resolve));
      let bytes = 0;
      const output = new Writable({
        highWaterMark: PIECE,
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          void waiting.then(() => done());
        },
      });
      const { input, given } = source(64 * MEBIBYTE);
      const held = machine.host.run({ argv: ['cat'], input, output, operation: testOperation() });
      await until('it has begun', () => bytes > 0);
      for (let others = 0; others < 50; others += 1)
        await machine.host.run({ argv: ['head', '-c', '100000', '/dev/zero'], operation: testOperation() });
      expect(given()).toBeLessThan(24 * MEBIBYTE);
      goOn();
      await held;
      expect(bytes).toBe(64 * MEBIBYTE);
    });

    test('cancelled in the middle it throws the reason, nothing lives on, and the host is as before', async () => {
      const sleep = uniqueSleep();
      const operation = testOperation();
      let bytes = 0;
      const output = new Writable({
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          if (bytes > 4 * MEBIBYTE) operation.cancel(new Error('no longer wanted'));
          done();
        },
      });
      const { input } = source(1024 * MEBIBYTE);
      const running = machine.host.run({
        argv: ['sh', '-c', 'setsid sleep "$1" & cat', 'sh', sleep],
        input,
        output,
        operation,
      });
      await expect(running).rejects.toThrow('no longer wanted');
      expect(processesWith(machine, sleep)).toBe(0);
      expect([input.destroyed, output.destroyed]).toEqual([true, true]);
      expect((await machine.host.run({ argv: ['echo', 'there'], operation: testOperation() })).stdout).toBe('there\n');
    });
  });
}
