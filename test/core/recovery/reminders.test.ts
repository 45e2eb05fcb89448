import { Reminders } from '../../../src/core/recovery/reminders';

const HOUR = 3_600_000;

test('a problem is told when it is new, once a day while it stays, and at once when it comes back', () => {
  const reminders = new Reminders();
  expect(reminders.due(['a'], 0)).toEqual(['a']);
  expect(reminders.due(['a', 'b'], HOUR)).toEqual(['b']);
  for (let hour = 2; hour < 24; hour += 1) expect(reminders.due(['a', 'b'], hour * HOUR)).toEqual([]);
  expect(reminders.due(['a', 'b'], 24 * HOUR)).toEqual(['a']);
  expect(reminders.due([], 25 * HOUR)).toEqual([]);
  expect(reminders.due(['a', 'b'], 26 * HOUR)).toEqual(['a', 'b']);
});
