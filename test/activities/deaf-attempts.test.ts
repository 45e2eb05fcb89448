import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Attempts } from '../../src/activities/attempts';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { reported } from '../../src/activities/step';

const TASK = 'example.com-20261124.031502-restore';
const warned: string[] = [];
const log = { info: () => undefined, warn: (text: string) => void warned.push(text), error: () => undefined };
const parts = {
  attempts: new Attempts(),
  logs: { of: () => ({ ...log, told: { warnings: [], more: 0 }, settled: async () => undefined }) },
} as unknown as ActivityDependencies;

/** An attempt that ends when it is released, whatever it is told. */
function deafAttempt(environment: MockActivityEnvironment, released: Promise<void>): Promise<unknown> {
  return environment.run(() =>
    reported(
      parts,
      { task: TASK },
      { name: 'deploy', mark: 'mark', revokes: 'step' },
      Context.current().cancellationSignal,
      () => released,
    ),
  );
}

test('an attempt that hears no cancellation stops beating after twenty seconds, and undo waits for it no longer', async () => {
  jest.useFakeTimers();
  const environment = new MockActivityEnvironment();
  let beats = 0;
  environment.on('heartbeat', () => (beats += 1));
  let release = (): void => undefined;
  const attempt = deafAttempt(environment, new Promise((resolve) => (release = resolve)));
  await jest.advanceTimersByTimeAsync(60_000);
  // It beats for as long as it works.
  expect(beats).toBeGreaterThanOrEqual(59);

  environment.cancel();
  let before = beats;
  await jest.advanceTimersByTimeAsync(15_000);
  expect(beats).toBeGreaterThan(before + 10);
  await jest.advanceTimersByTimeAsync(10_000);
  before = beats;
  await jest.advanceTimersByTimeAsync(600_000);
  expect(beats).toBe(before);

  const undo = new MockActivityEnvironment().run(() =>
    reported(
      parts,
      { task: TASK },
      { name: 'discardStaged', mark: 'undo-mark', revokes: 'task' },
      new AbortController().signal,
      async () => 'undone',
    ),
  );
  await jest.advanceTimersByTimeAsync(21_000);
  await expect(undo).resolves.toMatchObject({ value: 'undone' });
  expect(warned).toEqual([expect.stringContaining('an earlier attempt of deploy does not end')]);
  release();
  await attempt;
  jest.useRealTimers();
});
