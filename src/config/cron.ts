import type { CalendarTimes, CronTimes } from '../contract/schedules';

interface Field {
  readonly key: keyof CalendarTimes;
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** Words for its values, from the least on: their first three letters, in any case, or the whole. */
  readonly words?: readonly string[];
}

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = [
  ...['january', 'february', 'march', 'april', 'may', 'june'],
  ...['july', 'august', 'september', 'october', 'november', 'december'],
];
/** Days of the longest such month. */
const MONTH_LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const FIELDS = [
  { key: 'minutes', name: 'minute', least: 0, most: 59 },
  { key: 'hours', name: 'hour', least: 0, most: 23 },
  { key: 'daysOfMonth', name: 'day of the month', least: 1, most: 31 },
  { key: 'months', name: 'month', least: 1, most: 12, words: MONTHS },
  { key: 'daysOfWeek', name: 'day of the week', least: 0, most: 7, words: DAYS },
] as const satisfies readonly Field[];

const SHORTHANDS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/**
 * Reads when something is to run, by the rules of cron: a day that is named in both of its fields is meant when either names it. Seconds,
 * years, and what only one cron knows (`@reboot`, `@every`, `L`, `#`) are not taken. Returns what is wrong with a text, the end of a
 * sentence.
 */
export function readCron(text: string): CronTimes | { readonly problem: string } {
  const written = text.trim().replaceAll(/\s+/g, ' ');
  const fields = (SHORTHANDS[written.toLowerCase()] ?? written).split(' ');
  if (fields.length !== FIELDS.length)
    return {
      problem:
        'five fields such as "15 3 * * *" (minute, hour, day of the month, month, day of the week), or one of ' +
        `${Object.keys(SHORTHANDS).join(', ')}; not ${JSON.stringify(text)}`,
    };
  const values: Partial<Record<keyof CalendarTimes, readonly number[]>> = {};
  for (const [at, field] of FIELDS.entries()) {
    const read = readField(field, fields[at] ?? '');
    if ('problem' in read) return read;
    values[field.key] = read.values;
  }
  const whole = values as CalendarTimes;
  const [, , ofMonth = '', , ofWeek = ''] = fields;
  const bothDaysNamed = !ofMonth.startsWith('*') && !ofWeek.startsWith('*');
  if (!bothDaysNamed)
    return hasDay(whole)
      ? { text: written, times: [whole] }
      : { problem: `no month that it names has a day ${whole.daysOfMonth.join(', ')}` };
  const byMonth = { ...whole, daysOfWeek: range(0, 6) };
  const byWeek = { ...whole, daysOfMonth: range(1, 31) };
  return { text: written, times: hasDay(byMonth) ? [byMonth, byWeek] : [byWeek] };
}

function readField(field: Field, text: string): { values: readonly number[] } | { problem: string } {
  const found = new Set<number>();
  for (const item of text.split(',')) {
    const [, from, to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d{1,4}))?$/.exec(item) ?? [];
    const first = from === '*' ? field.least : valueOf(field, from);
    // As cron has it, a step without an end goes on to the last value.
    const last = to !== undefined ? valueOf(field, to) : from === '*' || step !== undefined ? lastOf(field) : first;
    const every = step === undefined ? 1 : Number(step);
    const isWhole = from === '*' && to !== undefined;
    if (first === null || last === null || last < first || every < 1 || isWhole)
      return {
        problem: `its ${field.name} is ${field.least} to ${field.most}, a range such as 1-5, a list such as 1,3, or * with a step such as */2; not ${JSON.stringify(item)}`,
      };
    for (let value = first; value <= last; value += every) found.add(field.key === 'daysOfWeek' ? value % 7 : value);
  }
  return { values: [...found].sort((a, b) => a - b) };
}

/** Sunday, which has two numbers, is not the end of `*`. */
function lastOf({ key, most }: Field): number {
  return key === 'daysOfWeek' ? 6 : most;
}

function valueOf({ least, most, words = [] }: Field, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,2}$/.test(text)) return Number(text) >= least && Number(text) <= most ? Number(text) : null;
  const word = text.toLowerCase();
  const at = words.findIndex((name) => name === word || name.slice(0, 3) === word);
  return at < 0 ? null : at + least;
}

/** Whether there is such a day in any year. */
function hasDay({ daysOfMonth, months }: CalendarTimes): boolean {
  return months.some((month) => daysOfMonth.some((day) => day <= (MONTH_LENGTHS[month - 1] ?? 0)));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
