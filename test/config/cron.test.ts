import fc from 'fast-check';
import { readCron } from '../../src/config/cron';
import { readTimeZone } from '../../src/config/time-zone';
import type { CalendarTimes } from '../../src/contract/schedules';
import { cronOf } from '../helpers/cron';

const EVERY = {
  minutes: [...Array(60).keys()],
  hours: [...Array(24).keys()],
  daysOfMonth: Array.from({ length: 31 }, (_, day) => day + 1),
  months: Array.from({ length: 12 }, (_, month) => month + 1),
  daysOfWeek: [...Array(7).keys()],
};

it.each<[string, Partial<CalendarTimes>[]]>([
  ['15 3 * * *', [{ minutes: [15], hours: [3] }]],
  [' 15   3 * * * ', [{ minutes: [15], hours: [3] }]],
  ['@hourly', [{ minutes: [0] }]],
  ['@Daily', [{ minutes: [0], hours: [0] }]],
  ['@weekly', [{ minutes: [0], hours: [0], daysOfWeek: [0] }]],
  ['@monthly', [{ minutes: [0], hours: [0], daysOfMonth: [1] }]],
  ['@yearly', [{ minutes: [0], hours: [0], daysOfMonth: [1], months: [1] }]],
  ['*/20 1-5/2 * * *', [{ minutes: [0, 20, 40], hours: [1, 3, 5] }]],
  ['50/5 1,0,1 * * *', [{ minutes: [50, 55], hours: [0, 1] }]],
  ['0 0 * jan-MAR Sunday', [{ minutes: [0], hours: [0], months: [1, 2, 3], daysOfWeek: [0] }]],
  ['0 0 * * 5-7', [{ minutes: [0], hours: [0], daysOfWeek: [0, 5, 6] }]],
  [
    '0 0 */2 * mon',
    [{ minutes: [0], hours: [0], daysOfMonth: EVERY.daysOfMonth.filter((day) => day % 2), daysOfWeek: [1] }],
  ],
  [
    '0 0 1 * mon',
    [
      { minutes: [0], hours: [0], daysOfMonth: [1] },
      { minutes: [0], hours: [0], daysOfWeek: [1] },
    ],
  ],
  // The 31st of February comes never, Mondays do.
  ['0 0 31 2 mon', [{ minutes: [0], hours: [0], months: [2], daysOfWeek: [1] }]],
  ['0 0 29 2 *', [{ minutes: [0], hours: [0], daysOfMonth: [29], months: [2] }]],
])('%s', (text, times) => {
  const read = cronOf(text);
  expect(read.times).toEqual(times.map((one) => ({ ...EVERY, ...one })));
  expect(read.text).toBe(text.trim().replaceAll(/\s+/g, ' '));
});

it.each([
  ['', /^five fields such as/],
  ['* * * *', /^five fields such as/],
  ['0 15 3 * * *', /not "0 15 3 \* \* \*"/],
  ['@reboot', /^five fields such as .*@daily/],
  ['@every 6h', /^five fields such as/],
  ['60 * * * *', /its minute is 0 to 59.*not "60"/],
  ['0 24 * * *', /its hour is 0 to 23/],
  ['0 0 0 * *', /its day of the month is 1 to 31/],
  ['0 0 * 13 *', /its month is 1 to 12/],
  ['0 0 * foo *', /its month is .*not "foo"/],
  ['0 0 * * 8', /its day of the week is 0 to 7/],
  ['0 0 * * 5-1', /not "5-1"/],
  ['*/0 * * * *', /not "\*\/0"/],
  ['1,,2 * * * *', /not ""/],
  ['*-3 * * * *', /not "\*-3"/],
  ['-1 * * * *', /not "-1"/],
  ['1.5 * * * *', /not "1\.5"/],
  ['0 0 L * *', /not "L"/],
  ['0 0 31 4,6 *', /no month that it names has a day 31/],
])('%j is refused', (text, problem) => {
  expect(readCron(text)).toEqual({ problem: expect.stringMatching(problem) as string });
});

/** A field as it is written, and whether a value is meant by it. */
interface Field {
  readonly text: string;
  readonly means: (value: number) => boolean;
}

function fieldOf(least: number, most: number): fc.Arbitrary<Field> {
  const value = fc.integer({ min: least, max: most });
  const step = fc.integer({ min: 1, max: most });
  const item: fc.Arbitrary<Field> = fc.oneof(
    value.map((one) => ({ text: String(one), means: (asked: number) => asked === one })),
    fc.tuple(value, value, step).map(([one, other, every]) => {
      const [first, last] = [Math.min(one, other), Math.max(one, other)];
      const means = (asked: number): boolean => asked >= first && asked <= last && (asked - first) % every === 0;
      return { text: every === 1 ? `${first}-${last}` : `${first}-${last}/${every}`, means };
    }),
  );
  const list = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => ({
    text: items.map(({ text }) => text).join(','),
    means: (asked: number) => items.some(({ means }) => means(asked)),
  }));
  const star: fc.Arbitrary<Field> = fc.constant({ text: '*', means: () => true });
  return fc.oneof(star, list);
}

it('means the days and times that cron means', () => {
  const fields = fc.tuple(fieldOf(0, 59), fieldOf(0, 23), fieldOf(1, 28), fieldOf(1, 12), fieldOf(0, 7));
  const moment = fc.date({ min: new Date('2026-01-01'), max: new Date('2030-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(fields, moment, ([minute, hour, ofMonth, month, ofWeek], time) => {
      const day = time.getUTCDay();
      const byMonth = ofMonth.means(time.getUTCDate());
      const byWeek = ofWeek.means(day) || (day === 0 && ofWeek.means(7));
      const bothNamed = ofMonth.text !== '*' && ofWeek.text !== '*';
      const expected =
        minute.means(time.getUTCMinutes()) &&
        hour.means(time.getUTCHours()) &&
        month.means(time.getUTCMonth() + 1) &&
        (bothNamed ? byMonth || byWeek : byMonth && byWeek);
      const { times } = cronOf([minute, hour, ofMonth, month, ofWeek].map(({ text }) => text).join(' '));
      const meant = times.some(
        ({ minutes, hours, daysOfMonth, months, daysOfWeek }) =>
          minutes.includes(time.getUTCMinutes()) &&
          hours.includes(time.getUTCHours()) &&
          daysOfMonth.includes(time.getUTCDate()) &&
          months.includes(time.getUTCMonth() + 1) &&
          daysOfWeek.includes(day),
      );
      expect(meant).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

describe('time zones', () => {
  it.each([
    ['UTC', 'UTC'],
    ['europe/berlin', 'Europe/Berlin'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['US/Pacific', 'US/Pacific'],
  ])('%s', (text, timeZone) => {
    expect(readTimeZone(text)).toEqual({ timeZone });
  });

  it.each(['+01:00', '', 'Europe/Nowhere', '../etc/passwd', 'Europe/Berlin '])('%j is refused', (text) => {
    expect(readTimeZone(text)).toEqual({ problem: expect.stringContaining('such as Europe/Berlin') as string });
  });

  it('says which is meant', () => {
    expect(readTimeZone('Europa/Berlin')).toMatchObject({
      problem: expect.stringMatching(/did you mean Europe\/Berlin\?$/) as string,
    });
  });
});
