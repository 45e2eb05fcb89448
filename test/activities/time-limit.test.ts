import { inTime } from '../../src/activities/time-limit';
import type { Operation } from '../../src/core/operation';
import type { Journal } from '../../src/core/tasks/journal';
import { testOperation } from '../helpers/operation';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A journal whose maintenance was to end a minute ago. */
const overdue = (foundOn = false): Journal =>
  ({
    site: 'example.com',
    maintenance: { foundOn, deadline: new Date(Date.now() - 60_000).toISOString(), seen: null, ended: null },
  }) as unknown as Journal;

/** Works until it is told to stop, or until `seconds` have passed; says so at every second in which it moves. */
const working =
  (seconds: number, moves: (second: number) => boolean) =>
  async (operation: Operation): Promise<string> => {
    for (let second = 1; second <= seconds; second += 1) {
      await jest.advanceTimersByTimeAsync(1_000);
      operation.signal.throwIfAborted();
      if (moves(second)) operation.progress({ bytes: second });
    }
    return 'done';
  };

test('past the deadline, work that makes no progress is ended', async () => {
  await expect(
    inTime(
      overdue(),
      'importDatabase',
      testOperation(),
      working(60, () => false),
    ),
  ).rejects.toMatchObject({
    code: 'MaintenanceLimitReached',
    message: expect.stringMatching(
      /^example\.com was to be in maintenance until \S+; importDatabase makes no progress$/,
    ),
  });
});

test('telling the same bytes again is no progress', async () => {
  const same = async (operation: Operation): Promise<string> =>
    working(60, () => true)({ ...operation, progress: () => operation.progress({ bytes: 7 }) });
  await expect(inTime(overdue(), 'importDatabase', testOperation(), same)).rejects.toMatchObject({
    code: 'MaintenanceLimitReached',
  });
});

test('work that moves may end, however long it takes', async () => {
  await expect(
    inTime(
      overdue(),
      'importDatabase',
      testOperation(),
      working(600, (second) => second % 25 === 0),
    ),
  ).resolves.toBe('done');
});

test('a site that was in maintenance before waits for nobody', async () => {
  await expect(
    inTime(
      overdue(true),
      'importDatabase',
      testOperation(),
      working(600, () => false),
    ),
  ).resolves.toBe('done');
});
