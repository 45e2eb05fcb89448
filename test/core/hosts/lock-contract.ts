import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import type { Machine, MachineFactory } from './machine';

/** What `Host.withLock` promises to those who ask for the same lock of a machine. */
export function describeLocks(makeMachine: MachineFactory): void {
  describe('withLock', () => {
    let machines: readonly [Machine, Machine];
    let lock: string;
    beforeAll(async () => {
      machines = [await makeMachine(), await makeMachine()];
      lock = join(machines[0].folder, '.contract.lock');
    });
    afterAll(async () => {
      for (const machine of machines) await machine.dispose();
    });

    test('one of them at a time works, and each gets what its work returned', async () => {
      let inside = 0;
      const work = async (): Promise<number> => {
        expect((inside += 1)).toBe(1);
        for (let turns = 0; turns < 5; turns += 1) await turn();
        return (inside -= 1);
      };
      const asked = [0, 1, 0, 1, 0, 1].map((which) =>
        machines[which as 0 | 1].host.withLock(lock, testOperation(), work),
      );
      expect(await Promise.all(asked)).toEqual([0, 0, 0, 0, 0, 0]);
      expect(machines[0].sh('stat -c %a "$1"', lock)).toBe('600\n');
    });

    test('what the work throws is thrown, and the lock given back', async () => {
      const [one, two] = machines;
      const failing = one.host.withLock(lock, testOperation(), () => Promise.reject(new Error('made to fail')));
      await expect(failing).rejects.toThrow('made to fail');
      expect(await two.host.withLock(lock, testOperation(), async () => 'held')).toBe('held');
    });

    test('who waits can be cancelled, and who holds it goes on', async () => {
      const [one, two] = machines;
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      let isHeld = false;
      const holding = one.host.withLock(lock, testOperation(), async () => {
        isHeld = true;
        await held;
        return 'whole';
      });
      await until('it is held', () => isHeld);
      const waiting = testOperation();
      const outcome = expect(two.host.withLock(lock, waiting, async () => 'taken')).rejects.toThrow('no longer wanted');
      await until('the other waits', () => two.sh('pgrep -x flock || true') !== '');
      waiting.cancel(new Error('no longer wanted'));
      await outcome;
      letGo();
      expect(await holding).toBe('whole');
    });
  });
}
