import { setImmediate as turn } from 'node:timers/promises';
import { Attempts } from '../../src/activities/attempts';

const never = new AbortController().signal;
const TASK = 'example.com-20261124.031502-restore';

/** An attempt that ends only when it is told to, some turns later. */
function lingering(signal: AbortSignal, order: string[], name: string): Promise<void> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      void turn().then(() => {
        order.push(`${name} ended`);
        reject(signal.reason as Error);
      });
    });
  });
}

it('a successor acts only when the attempt before has ended', async () => {
  const attempts = new Attempts();
  const order: string[] = [];
  const first = attempts.run(TASK, 'deploy', never, (signal) => lingering(signal, order, 'first'));
  const failure = expect(first).rejects.toMatchObject({ code: 'TaskSuperseded' });
  await attempts.revoke(TASK, 'deploy');
  order.push('second acts');
  await failure;
  expect(order).toEqual(['first ended', 'second acts']);
});

it('a retry ends its own step alone, an undo every step of its task, neither those of other tasks', async () => {
  const attempts = new Attempts();
  const order: string[] = [];
  const all = (['dumpDatabase', 'syncRemote'] as const).map((step) =>
    attempts.run(TASK, step, never, (signal) => lingering(signal, order, step)).catch(() => undefined),
  );
  const stop = new AbortController();
  const other = attempts
    .run('other.example-20261124.031502-restore', 'dumpDatabase', stop.signal, (signal) =>
      lingering(signal, order, 'other'),
    )
    .catch(() => undefined);
  await attempts.revoke(TASK, 'dumpDatabase');
  expect(order).toEqual(['dumpDatabase ended']);
  await attempts.revoke(TASK);
  expect(order).toEqual(['dumpDatabase ended', 'syncRemote ended']);
  await Promise.all(all);
  // Its own cancellation ends it as well.
  stop.abort(new Error('cancelled'));
  await other;
  expect(order).toContain('other ended');
});

it('what has ended is not waited for', async () => {
  const attempts = new Attempts();
  await expect(attempts.run(TASK, 'verify', never, async () => 'done')).resolves.toBe('done');
  await expect(
    attempts.run(TASK, 'verify', never, async () => {
      throw new Error('failed');
    }),
  ).rejects.toThrow('failed');
  await attempts.revoke(TASK);
});
