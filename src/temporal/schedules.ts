import {
  type CalendarSpecDescription,
  type Client,
  type ScheduleDescription,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  ServiceError,
  WorkflowNotFoundError,
  isGrpcServiceError,
} from '@temporalio/client';
import { type BackupAllInput, type BackupAllResult, backupAllResultSchema } from '../contract/fleet';
import { KedgeError, isKedgeError } from '../contract/errors';
import { taskQueueOf } from '../contract/names';
import type { CalendarTimes, WantedSchedule } from '../contract/schedules';
import { BACKUP_ALL } from './backup-all';
import { kedgeErrorOf } from './failures';

/** What of a schedule is not as it should be. */
export interface FieldDifference {
  readonly field: string;
  /** As Temporal has it. */
  readonly from: string;
  /** As it should be. */
  readonly to: string;
}

/** A schedule that is not in Temporal as it should be. */
export interface ScheduleDifference {
  readonly name: string;
  readonly change: 'new' | 'changed' | 'gone';
  /** Of one that is changed. */
  readonly fields: readonly FieldDifference[];
}

/** The last run that a schedule began. */
export interface ScheduledRun {
  readonly workflowId: string;
  readonly started: Date;
  readonly outcome: 'running' | 'done' | 'failed' | 'cancelled' | 'terminated' | 'forgotten';
  /** What became of the sites; null where it did not end well, or Temporal has forgotten it. */
  readonly result: BackupAllResult | null;
  /** Why all of it failed. */
  readonly error: { code: string; message: string } | null;
}

/**
 * How late a run may begin that Temporal, which was away, did not begin in time. Six hours bring a night's backups into the morning, and not
 * into the hours in which people work; the next night comes anyway. (A worker that is away changes nothing: the run has begun, and waits for
 * it.)
 */
const CATCH_UP_WINDOW_MS = 6 * 3_600_000;

const NOTE = 'made by `kedge schedules apply` from kedge.yaml; what it backs up stands there';

const DAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const;
const MONTHS = [
  ...(['JANUARY', 'FEBRUARY', 'MARCH', 'APRIL', 'MAY', 'JUNE'] as const),
  ...(['JULY', 'AUGUST', 'SEPTEMBER', 'OCTOBER', 'NOVEMBER', 'DECEMBER'] as const),
];

/** How Kedge makes a schedule. */
interface MadeSchedule {
  readonly scheduleId: string;
  readonly spec: { calendars: CalendarSpecDescription[]; timezone: string; jitter: number };
  readonly action: {
    type: 'startWorkflow';
    workflowType: string;
    workflowId: string;
    taskQueue: string;
    args: [BackupAllInput];
    staticSummary: string;
  };
  readonly policies: { overlap: ScheduleOverlapPolicy; catchupWindow: number; pauseOnFailure: boolean };
  readonly memo: Record<string, string>;
  readonly state: { note: string };
}

/** What has an ID of this master: a schedule of its own, or one of somebody else's making. */
type Found = { readonly own: ScheduleDescription } | 'foreign' | null;

/** The schedules of one master in Temporal. Those of other masters, and of people, it neither changes nor tells of. */
export class MasterSchedules {
  private readonly prefix: string;

  constructor(
    private readonly client: Client,
    private readonly master: string,
  ) {
    this.prefix = `kedge/${master}/`;
  }

  /**
   * What is to be changed for Temporal to have what is wanted, in the order of names.
   * @throws KedgeError ConfigurationInvalid where somebody else's schedule has the ID of one; TemporalUnreachable
   */
  async compare(wanted: readonly WantedSchedule[]): Promise<ScheduleDifference[]> {
    const differences: ScheduleDifference[] = [];
    for (const schedule of wanted) {
      const found = await this.find(schedule.name);
      if (found === 'foreign') throw this.taken(schedule.name);
      if (found === null) differences.push({ name: schedule.name, change: 'new', fields: [] });
      else {
        const fields = differenceOf(found.own, this.optionsOf(schedule));
        if (fields.length > 0) differences.push({ name: schedule.name, change: 'changed', fields });
      }
    }
    const names = new Set(wanted.map(({ name }) => name));
    for (const { scheduleId } of await this.own())
      if (!names.has(this.nameOf(scheduleId)))
        differences.push({ name: this.nameOf(scheduleId), change: 'gone', fields: [] });
    return differences.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /**
   * Makes a difference good. A schedule that is paused stays paused.
   * @throws KedgeError ConfigurationInvalid for what Temporal does not take; TemporalUnreachable
   */
  async apply({ name, change }: ScheduleDifference, wanted: readonly WantedSchedule[]): Promise<void> {
    const schedule = wanted.find((one) => one.name === name);
    try {
      // It was looked at a moment ago; nothing of somebody else's is touched, whatever was done since.
      const found = await this.find(name);
      if (found === 'foreign') throw this.taken(name);
      if (change === 'gone') await this.client.schedule.getHandle(this.idOf(name)).delete();
      else if (schedule !== undefined && found === null) await this.client.schedule.create(this.optionsOf(schedule));
      else if (schedule !== undefined) {
        const { spec, action, policies } = this.optionsOf(schedule);
        await this.client.schedule.getHandle(this.idOf(name)).update(({ state: { paused, note } }) => ({
          ...{ spec, action, policies },
          // Who paused it has said why.
          state: { paused, note: paused ? (note ?? '') : NOTE },
        }));
      }
    } catch (error) {
      // Somebody was quicker.
      if (error instanceof ScheduleNotFoundError && change === 'gone') return;
      if (error instanceof ScheduleAlreadyRunning) throw this.taken(name);
      // What the server says of the times of a schedule.
      if (error instanceof TypeError)
        throw new KedgeError('ConfigurationInvalid', `Temporal does not take the schedule ${name}: ${error.message}`, {
          cause: error,
        });
      throw this.told(error);
    }
  }

  /** Those of this master that there are, in the order of their names. @throws KedgeError TemporalUnreachable */
  async own(): Promise<ScheduleDescription[]> {
    const names = await this.listed();
    const found = await Promise.all(names.map((name) => this.find(name)));
    return found.flatMap((one) => (one === null || one === 'foreign' ? [] : [one.own]));
  }

  /** One of this master, by its name; undefined where there is none. @throws KedgeError TemporalUnreachable */
  async get(name: string): Promise<ScheduleDescription | undefined> {
    const found = await this.find(name);
    return found === null || found === 'foreign' ? undefined : found.own;
  }

  /** The run a schedule began last, by itself or because somebody asked for it; null where there was none. @throws KedgeError TemporalUnreachable */
  async lastRun({ info: { recentActions } }: ScheduleDescription): Promise<ScheduledRun | null> {
    const last = recentActions.at(-1);
    if (last === undefined) return null;
    const { workflowId } = last.action.workflow;
    const run = { workflowId, started: last.takenAt, result: null, error: null };
    try {
      // The newest run under its ID: a long one goes on in others.
      const handle = this.client.workflow.getHandle(workflowId);
      const { status } = await handle.describe();
      if (status.name === 'COMPLETED')
        return { ...run, outcome: 'done', result: backupAllResultSchema.safeParse(await handle.result()).data ?? null };
      const outcome = OUTCOMES[status.name];
      if (outcome !== undefined) return { ...run, outcome };
      return { ...run, outcome: 'failed', error: await handle.result().then(() => null, failureOf) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { ...run, outcome: 'forgotten' };
      throw this.told(error);
    }
  }

  nameOf(scheduleId: string): string {
    return scheduleId.slice(this.prefix.length);
  }

  /** Names of the schedules whose IDs are this master's, as Temporal lists them: a new one a moment later. */
  private async listed(): Promise<string[]> {
    const names: string[] = [];
    try {
      // Not by the client's `list`, which reads the memos of all: they may be in a code of others.
      for (let nextPageToken: Uint8Array | undefined; ;) {
        const page = await this.client.workflowService.listSchedules({
          namespace: this.client.options.namespace,
          maximumPageSize: 1000,
          ...(nextPageToken === undefined ? {} : { nextPageToken }),
        });
        for (const { scheduleId } of page.schedules ?? [])
          if (scheduleId?.startsWith(this.prefix)) names.push(this.nameOf(scheduleId));
        if (!page.nextPageToken || page.nextPageToken.length === 0) return names.sort();
        nextPageToken = page.nextPageToken;
      }
    } catch (error) {
      throw this.told(error);
    }
  }

  private async find(name: string): Promise<Found> {
    try {
      const own = await this.client.schedule.getHandle(this.idOf(name)).describe();
      return own.memo?.['kedgeMaster'] === this.master ? { own } : 'foreign';
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return null;
      // It says something that Kedge does not say, or in a code of others.
      if (!(error instanceof ServiceError) && !isGrpcServiceError(error)) return 'foreign';
      throw this.told(error);
    }
  }

  private idOf(name: string): string {
    return `${this.prefix}${name}`;
  }

  /** How a schedule is made. */
  private optionsOf({ name, cron, timeZone, jitterMs }: WantedSchedule): MadeSchedule {
    return {
      scheduleId: this.idOf(name),
      spec: {
        calendars: cron.times.map((times) => calendarOf(times, cron.text)),
        timezone: timeZone,
        jitter: jitterMs,
      },
      action: {
        type: 'startWorkflow',
        workflowType: BACKUP_ALL,
        // Temporal appends the time. Two masters may call their schedules alike.
        workflowId: `schedule/${this.master}/${name}`,
        taskQueue: taskQueueOf(this.master),
        // What it says besides stands in the configuration when it runs.
        args: [{ schedule: name, who: `schedule ${name}` }],
        staticSummary: `Schedule ${name}`,
      },
      policies: {
        overlap: ScheduleOverlapPolicy.SKIP,
        catchupWindow: CATCH_UP_WINDOW_MS,
        pauseOnFailure: false,
      },
      memo: { kedgeMaster: this.master, schedule: name },
      state: { note: NOTE },
    };
  }

  private taken(name: string): KedgeError {
    const id = this.idOf(name);
    return new KedgeError('ConfigurationInvalid', `the schedule ${id} in Temporal was not made by Kedge`, {
      hint: `Give yours another name, or delete that one: \`temporal schedule delete --schedule-id ${id}\`.`,
      state: 'nothing of it was changed',
    });
  }

  private told(error: unknown): unknown {
    return kedgeErrorOf(isGrpcServiceError(error) ? error : (causeOf(error) ?? error), null);
  }
}

/** What the server calls a schedule's times: runs of values that follow each other. */
function calendarOf(times: CalendarTimes, comment: string): CalendarSpecDescription {
  const plain = (values: readonly number[]) => rangesOf(values, (value) => value);
  return {
    second: plain([0]),
    minute: plain(times.minutes),
    hour: plain(times.hours),
    dayOfMonth: plain(times.daysOfMonth),
    month: rangesOf(times.months, (month) => MONTHS[month - 1] ?? 'JANUARY'),
    year: [],
    dayOfWeek: rangesOf(times.daysOfWeek, (day) => DAYS[day] ?? 'SUNDAY'),
    comment,
  };
}

function rangesOf<T>(values: readonly number[], named: (value: number) => T): { start: T; end: T; step: number }[] {
  const runs: { first: number; last: number }[] = [];
  for (const value of values) {
    const run = runs.at(-1);
    if (run?.last === value - 1) run.last = value;
    else runs.push({ first: value, last: value });
  }
  return runs.map(({ first, last }) => ({ start: named(first), end: named(last), step: 1 }));
}

/** How a run has ended that tells no more. */
const OUTCOMES: Readonly<Record<string, 'running' | 'cancelled' | 'terminated'>> = {
  ...{ RUNNING: 'running', PAUSED: 'running', CONTINUED_AS_NEW: 'running' },
  ...{ CANCELLED: 'cancelled', TERMINATED: 'terminated' },
};

const BY_HAND = 'set by hand';

/** Field by field, what is as people read it, and what should be. */
function differenceOf(is: ScheduleDescription, wanted: MadeSchedule): FieldDifference[] {
  const { spec, policies, action, state } = is;
  const sides: readonly (readonly [field: string, is: string, wanted: string])[] = [
    ['cron', cronText(spec.calendars ?? [], wanted.spec.calendars), commentOf(wanted.spec.calendars)],
    ['timeZone', spec.timezone === undefined || spec.timezone === '' ? 'UTC' : spec.timezone, wanted.spec.timezone],
    ['jitter', written(spec.jitter ?? 0), written(wanted.spec.jitter)],
    ['further times', hasFurtherTimes(spec) ? BY_HAND : 'none', 'none'],
    ['overlap', String(policies.overlap), String(wanted.policies.overlap)],
    ['catch-up window', written(policies.catchupWindow), written(wanted.policies.catchupWindow)],
    ['pause on failure', String(policies.pauseOnFailure), String(wanted.policies.pauseOnFailure)],
    ['runs left', String(state.remainingActions ?? 'without end'), 'without end'],
    ['workflow', action.workflowType, wanted.action.workflowType],
    ['workflow ID', action.workflowId ?? '', wanted.action.workflowId],
    ['task queue', action.taskQueue, wanted.action.taskQueue],
    ['input', JSON.stringify(action.args ?? []), JSON.stringify(wanted.action.args)],
    ['summary', action.staticSummary ?? '', wanted.action.staticSummary],
    ['limits of a run', hasLimits(action) ? BY_HAND : 'none', 'none'],
  ];
  return sides.flatMap(([field, from, to]) => (from === to ? [] : [{ field, from, to }]));
}

/** The text its times were made from, unless they are others. */
function cronText(is: readonly CalendarSpecDescription[], wanted: readonly CalendarSpecDescription[]): string {
  const text = commentOf(is);
  const isSame = JSON.stringify(is.map(timesOf)) === JSON.stringify(wanted.map(timesOf));
  return isSame || text !== commentOf(wanted) ? text : BY_HAND;
}

function timesOf({ second, minute, hour, dayOfMonth, month, year, dayOfWeek }: CalendarSpecDescription): object {
  return { second, minute, hour, dayOfMonth, month, year, dayOfWeek };
}

/** What all of them say that they come from. */
function commentOf(calendars: readonly CalendarSpecDescription[]): string {
  const comments = new Set(calendars.map(({ comment }) => comment ?? ''));
  const [comment = ''] = comments;
  return comments.size === 1 && comment !== '' ? comment : BY_HAND;
}

/** The text that the times of a schedule were made from. */
export function cronTextOf({ spec }: Pick<ScheduleDescription, 'spec'>): string {
  return commentOf(spec.calendars ?? []);
}

function hasFurtherTimes({ intervals = [], skip = [], startAt, endAt }: ScheduleDescription['spec']): boolean {
  return intervals.length > 0 || skip.length > 0 || startAt !== undefined || endAt !== undefined;
}

function hasLimits(action: ScheduleDescription['action']): boolean {
  const limits: readonly unknown[] = [action.workflowExecutionTimeout, action.workflowRunTimeout, action.retry];
  return limits.some((limit) => limit !== undefined && limit !== 0);
}

/** Why a run failed, in a few words. */
function failureOf(error: unknown): { code: string; message: string } {
  const told = kedgeErrorOf(error, null);
  if (isKedgeError(told)) return { code: told.code, message: told.message };
  return { code: 'Internal', message: told instanceof Error ? told.message : String(told) };
}

/** As the configuration has it. */
function written(ms: number): string {
  if (ms % 3_600_000 === 0 && ms > 0) return `${ms / 3_600_000}h`;
  return ms % 60_000 === 0 && ms > 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
