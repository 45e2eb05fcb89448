import type { WantedSchedule } from '../contract/schedules';
import type { Configuration } from './schema';

/** What Temporal is to have of the schedules of the configuration, in the order of their names. */
export function wantedSchedulesOf({ schedules }: Pick<Configuration, 'schedules'>): WantedSchedule[] {
  return Object.entries(schedules)
    .map(([name, { cron, timeZone, jitter: jitterMs }]) => ({ name, cron, timeZone, jitterMs }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}
