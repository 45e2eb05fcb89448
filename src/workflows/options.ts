import {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import { type ErrorCode, PERMANENT_ERROR_CODES } from '../contract/error-codes';
import { promptQueueOf } from '../contract/names';
import { OTHER_SUMMARIES, STEP_SUMMARIES, sentenceOf } from '../contract/steps';
import type { HookName } from '../contract/target';

const SUMMARIES: Record<keyof Activities, string> = { ...STEP_SUMMARIES, ...OTHER_SUMMARIES };

/** What a server that knows priorities hands to a worker first: what takes back or ends, before what asks, before what goes on. */
const FIRST = { priorityKey: 1 };
/** Before the first looks of tasks that come: a site in maintenance does not wait for them. */
const SOON = { priorityKey: 2 };

/** What every activity has: an attempt that stops beating for 10 s is given up; nothing is undone while it may run. */
const COMMON: ActivityOptions = {
  heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

/**
 * Forward steps: retried until they succeed, except on errors that only somebody's hand can mend. Under maintenance the
 * activity itself refuses to begin after the task's limit; elsewhere twenty attempts (about a quarter of an hour) do.
 */
const FORWARD: ActivityOptions = {
  ...COMMON,
  priority: SOON,
  startToCloseTimeout: '24 hours',
  retry: {
    initialInterval: '1 second',
    maximumInterval: '1 minute',
    maximumAttempts: 20,
    nonRetryableErrorTypes: [...PERMANENT_ERROR_CODES],
  },
};

/** Waiting for a turn: tried again until it comes, as often as the activity itself says. */
const QUEUEING: ActivityOptions = {
  ...COMMON,
  startToCloseTimeout: '1 minute',
  retry: {
    initialInterval: '1 second',
    maximumInterval: '15 seconds',
    nonRetryableErrorTypes: [...PERMANENT_ERROR_CODES],
  },
};

/**
 * The probe: asked often, for what a site answers wrongly in the same way for 20 s is final by its code; one that does not
 * answer has five minutes at least, or what is left of the task's maintenance.
 */
const PROBING: ActivityOptions = {
  ...FORWARD,
  retry: { ...FORWARD.retry, maximumInterval: '5 seconds', maximumAttempts: 60 },
};

/** Who only looks does not wait for a newer Kedge to come back. */
const FINAL_ERROR_CODES = [...PERMANENT_ERROR_CODES, 'NewerVersion'] satisfies ErrorCode[];

/** Looking before doing: a server that does not answer is said soon. */
const LOOKING: ActivityOptions = {
  ...COMMON,
  startToCloseTimeout: '12 hours',
  retry: {
    initialInterval: '500 milliseconds',
    maximumAttempts: 3,
    nonRetryableErrorTypes: FINAL_ERROR_CODES,
  },
};

/** Undo, and what follows the commit point: retried without end, whatever the error. */
const ENDLESS: ActivityOptions = {
  ...COMMON,
  priority: FIRST,
  startToCloseTimeout: '24 hours',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
};

/** Nothing was committed then. */
const COMMIT_REFUSALS = ['TaskWasReset', 'TaskSuperseded', 'StepRefused'] satisfies ErrorCode[];

/** The commit: retried without end, unless it is refused, for then nothing was committed. */
const COMMITTING: ActivityOptions = {
  ...ENDLESS,
  retry: { ...ENDLESS.retry, nonRetryableErrorTypes: COMMIT_REFUSALS },
};

/** Tidying up after the commit point: what cannot be removed now is a warning, it holds nothing. */
const TIDYING: ActivityOptions = {
  ...COMMON,
  priority: FIRST,
  startToCloseTimeout: '1 hour',
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds', maximumAttempts: 5 },
};

/** Short reads for other workflows than tasks. */
const READING: ActivityOptions = {
  priority: FIRST,
  startToCloseTimeout: '1 minute',
  retry: {
    initialInterval: '500 milliseconds',
    maximumInterval: '10 seconds',
    nonRetryableErrorTypes: FINAL_ERROR_CODES,
  },
};

/** A question that is asked while something holds everything else: whoever asks does not wait for its end. */
const ASKING: ActivityOptions = {
  startToCloseTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500 milliseconds', maximumInterval: '2 seconds' },
};

const GLANCING: LocalActivityOptions = { startToCloseTimeout: '5 seconds', retry: { maximumAttempts: 2 } };

type Options = Partial<Record<keyof Activities, ActivityOptions>>;

/** Activities that do the work: the master's queue, where heavy steps may take every place. */
function working(options: ActivityOptions, exceptions: Options = {}): Activities {
  return activitiesBy((name) => proxyOf(name, exceptions[name] ?? options)[name]);
}

/** Activities that take back, end, read or ask: a queue of their own, which no heavy step keeps waiting. */
function prompt(options: ActivityOptions): Activities {
  return activitiesBy((name) => {
    const activity = proxyOf(name, options)[name] as unknown as PlacedActivity;
    return (...given: unknown[]) =>
      activity.executeWithOptions({ taskQueue: promptQueueOf(workflowInfo().taskQueue) }, given);
  });
}

/** An activity as the SDK hands it out, which can be told its queue when it is called. */
interface PlacedActivity {
  executeWithOptions(options: { taskQueue: string }, given: unknown[]): Promise<unknown>;
}

function proxyOf(name: keyof Activities, options: ActivityOptions): ReturnType<typeof proxyActivities<Activities>> {
  return proxyActivities<Activities>({ ...options, summary: SUMMARIES[name] });
}

function activitiesBy(of: (name: keyof Activities) => unknown): Activities {
  const names = Object.keys(SUMMARIES) as (keyof Activities)[];
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Activities;
}

export const forward = working(FORWARD, { probeSite: PROBING });
export const looking = working(LOOKING);
export const queueing = prompt(QUEUEING);
export const endless = prompt(ENDLESS);
export const committing = prompt(COMMITTING);
export const tidying = prompt(TIDYING);
export const reading = prompt(READING);
export const asking = prompt(ASKING);
/** Looks of a moment that wait for no place beside heavy steps. */
export const glancing = proxyLocalActivities<Pick<Activities, 'findNewestTask' | 'describeBackup'>>(GLANCING);

/** A hook on the way: the Web UI says which. */
export function hookActivities(name: Exclude<HookName, 'after'>): Pick<Activities, 'runHook'> {
  return proxyActivities<Pick<Activities, 'runHook'>>({ ...FORWARD, summary: sentenceOf(`runHook ${name}`) });
}
