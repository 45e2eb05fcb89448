import { readCron } from '../../src/config/cron';
import type { CronTimes } from '../../src/contract/schedules';

/** The times of a text that the configuration takes. */
export function cronOf(text: string): CronTimes {
  const read = readCron(text);
  if ('problem' in read) throw new Error(`${text}: ${read.problem}`);
  return read;
}
