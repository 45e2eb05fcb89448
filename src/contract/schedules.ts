/** Schedules, as the configuration wants them and Temporal is to have them. */

/** Clock times on days of the calendar: a time is meant when each list holds its part of it. Values in their order, each once. */
export interface CalendarTimes {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  /** Sunday is 0. */
  readonly daysOfWeek: readonly number[];
}

/** When something is done again and again. */
export interface CronTimes {
  /** As it was written. */
  readonly text: string;
  /** Whatever any of them means is meant. */
  readonly times: readonly CalendarTimes[];
}

/** A schedule as it should be. What its runs do the configuration says when they begin. */
export interface WantedSchedule {
  readonly name: string;
  readonly cron: CronTimes;
  readonly timeZone: string;
  /** Each run begins by up to so much later, ms. */
  readonly jitterMs: number;
}
