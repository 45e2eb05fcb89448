import { lastingProblem, problemOf } from '../../../src/core/recovery/problem';
import { Reminders } from '../../../src/core/recovery/reminders';

const HOUR = 3_600_000;

test('a problem is told when it is new, once a day while it stays, and at once when it comes back', () => {
  const reminders = new Reminders();
  const due = (texts: readonly string[], now: number): string[] =>
    reminders.due(texts.map(lastingProblem), now).map(({ text }) => text);
  expect(due(['a'], 0)).toEqual(['a']);
  expect(due(['a', 'b'], HOUR)).toEqual(['b']);
  for (let hour = 2; hour < 24; hour += 1) expect(due(['a', 'b'], hour * HOUR)).toEqual([]);
  expect(due(['a', 'b'], 24 * HOUR)).toEqual(['a']);
  expect(due([], 25 * HOUR)).toEqual([]);
  expect(due(['a', 'b'], 26 * HOUR)).toEqual(['a', 'b']);
});

test('one whose reason is another each time is not new each time, and is told with the reason it has then', () => {
  const reminders = new Reminders();
  const due = (hour: number): string[] => {
    const away = problemOf('web2 is passed over', new Error(`no answer since ${hour} o'clock`));
    return reminders.due([away], hour * HOUR).map(({ text }) => text);
  };
  expect(due(0)).toEqual(["web2 is passed over: no answer since 0 o'clock"]);
  for (let hour = 1; hour < 24; hour += 1) expect(due(hour)).toEqual([]);
  expect(due(24)).toEqual(["web2 is passed over: no answer since 24 o'clock"]);
});
