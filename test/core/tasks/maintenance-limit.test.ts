import type { Journal } from '../../../src/core/tasks/journal';
import { limitAfter, shutFor } from '../../../src/core/tasks/maintenance-limit';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const MINUTE = 60_000;
const DAY = 86_400_000;

const shut = (changes: Partial<NonNullable<Journal['maintenance']>> = {}): Pick<Journal, 'maintenance'> => ({
  maintenance: { foundOn: false, ...limitAfter(15 * MINUTE), seen: null, ended: null, ...changes },
});

test('whoever sets the clock of the machine neither shortens nor stretches the limit', () => {
  const journal = shut();
  jest.setSystemTime(Date.now() + DAY);
  expect(shutFor(journal)).toBeCloseTo(15 * MINUTE, -2);
  jest.advanceTimersByTime(14 * MINUTE);
  jest.setSystemTime(Date.now() - 2 * DAY);
  expect(shutFor(journal)).toBeCloseTo(MINUTE, -2);
  jest.advanceTimersByTime(2 * MINUTE);
  expect(shutFor(journal)).toBeCloseTo(-MINUTE, -2);
});

test('after another boot, and in journals of before, the time of day counts', () => {
  for (const limit of [null, { boot: 'another', ms: 0 }]) {
    const journal = shut({ limit });
    jest.advanceTimersByTime(16 * MINUTE);
    expect(shutFor(journal)).toBe(-MINUTE);
  }
});

test('a site that was shut before, or is open again, keeps nobody out for a task', () => {
  expect(shutFor(shut({ foundOn: true }))).toBeNull();
  expect(shutFor(shut({ ended: new Date().toISOString() }))).toBeNull();
  expect(shutFor({ maintenance: null })).toBeNull();
});
