import { setTimeout as delay } from 'node:timers/promises';
import type { RunningStep, TaskHandle, TaskStatus } from '../client';
import type { StepPause } from '../contract/step-pause';
import { monotonicMs } from '../core/clock';
import type { Journal } from '../core/tasks/journal';
import type { TaskLogLine } from '../core/tasks/task-log';
import type { Parts } from './parts';

/** What of a journal tells how a step that failed goes on. */
export type Outlook = Pick<Journal, 'undoing' | 'committed' | 'maintenance'>;

/** A line of its log. */
interface Logged {
  readonly kind: 'logged';
  readonly line: TaskLogLine;
}

/** An attempt of a step failed, and it is tried again. Said once for each reason. */
interface AttemptFailed {
  readonly kind: 'attempt-failed';
  readonly step: RunningStep;
  /** Undefined while there is no journal. */
  readonly outlook: Outlook | undefined;
}

/** Somebody paused a step in Temporal. Said once for each pause. */
interface StepIsPaused {
  readonly kind: 'paused';
  readonly step: PausedStep;
  /** Undefined while there is no journal. */
  readonly outlook: Outlook | undefined;
}

/** A step that goes on when it is unpaused. */
export type PausedStep = RunningStep & { readonly paused: StepPause };

/** `why` is what its newest attempt failed with; null for one that has not failed. */
interface Stuck {
  readonly kind: 'stuck';
  readonly step: string;
  readonly why: string | null;
  readonly paused: StepPause | null;
}

/** What is seen of a task that is followed. The last event is one of how it ended, unless following throws. */
export type TaskEvent<Result> =
  /** Before anything else: other tasks of the site come first. */
  | { readonly kind: 'waits-turn' }
  | Logged
  | AttemptFailed
  | StepIsPaused
  /** What runs or waits for its next attempt now. */
  | { readonly kind: 'running'; readonly steps: readonly RunningStep[] }
  | { readonly kind: 'ended'; readonly result: Result }
  /** It cannot finish an undo, or what follows its commit point, and goes on trying, unless it is paused: somebody has to look. */
  | Stuck
  /** It goes on, and whoever followed it has left. */
  | { readonly kind: 'left' };

/** A task as it is followed. */
export type FollowedTask<Result> = Pick<TaskHandle<Result>, 'task' | 'ticket' | 'status' | 'result'>;

const POLL_INTERVAL_MS = 300;
/** A step that somebody has to look at, and that neither fails nor ends for so long, hangs. */
const HANGS_AFTER_MS = 600_000;

/**
 * A task as it goes on, until it has ended, or is stuck, or `leave` aborts. What is said of failures is redacted. Cancelling the
 * task is not for this: its end is seen here as any other.
 * @throws KedgeError of the task when it fails; TemporalUnreachable
 */
export async function* followTask<Result>(
  parts: Pick<Parts, 'journals' | 'logs' | 'redact'>,
  task: FollowedTask<Result>,
  leave: AbortSignal,
  hangsAfterMs = HANGS_AFTER_MS,
): AsyncGenerator<TaskEvent<Result>, void> {
  const log = new LogReader(parts, task.task);
  if (task.ticket.waiting) yield { kind: 'waits-turn' };
  const waiting = new AbortController();
  let end: () => TaskEvent<Result>;
  try {
    end = yield* untilItsEnd(parts, task, log, { waiting: waiting.signal, leave, hangsAfterMs });
  } catch (error) {
    end = () => {
      throw error;
    };
  } finally {
    // A poll that goes on would keep the process from ending.
    waiting.abort();
  }
  yield* log.news();
  yield end();
}

async function* untilItsEnd<Result>(
  parts: Pick<Parts, 'journals' | 'redact'>,
  task: FollowedTask<Result>,
  log: LogReader,
  { waiting, leave, hangsAfterMs }: { waiting: AbortSignal; leave: AbortSignal; hangsAfterMs: number },
): AsyncGenerator<TaskEvent<Result>, () => TaskEvent<Result>> {
  const outcry = new Outcry(hangsAfterMs);
  const failures = new StandstillReader(parts, task.task);
  let settled = false;
  const result = task.result(waiting).finally(() => (settled = true));
  // Awaited below; until then its failure is not unhandled.
  result.catch(() => undefined);
  while (!settled && !leave.aborted) {
    const status = await task.status();
    yield* log.news();
    yield* failures.news(status.steps);
    if (status.steps.length > 0) yield { kind: 'running', steps: status.steps };
    const stuck = outcry.stuckStepOf(status);
    if (stuck !== null) {
      const why = await failures.of(stuck.step, status.steps);
      return () => ({ kind: 'stuck', ...stuck, why });
    }
    // A pause that nobody waits for must not keep the process from ending.
    if (!settled)
      await Promise.race([delay(POLL_INTERVAL_MS, undefined, { ref: false }), result.catch(() => undefined)]);
  }
  if (!settled) return () => ({ kind: 'left' });
  const ended = await result;
  return () => ({ kind: 'ended', result: ended });
}

/** The step that somebody is asked to look at. */
class Outcry {
  private step: string | null = null;
  private sinceMs = 0;

  constructor(private readonly hangsAfterMs: number) {}

  /**
   * The step that cannot finish. Attention is asked for by the clock, for whatever is done at that moment: a step that takes long
   * and has not failed yet may well succeed, and the one that cannot may come behind it. One that is paused does not.
   */
  stuckStepOf({ attention, steps }: TaskStatus): { step: string; paused: StepPause | null } | null {
    if (attention !== this.step) this.sinceMs = monotonicMs();
    this.step = attention;
    if (attention === null) return null;
    const { lastFailure = null, paused = null } = steps.find(({ step }) => step === attention) ?? {};
    const hangs = monotonicMs() - this.sinceMs >= this.hangsAfterMs;
    return lastFailure !== null || paused !== null || hangs ? { step: attention, paused } : null;
  }
}

class LogReader {
  private offset = 0;

  constructor(
    private readonly parts: Pick<Parts, 'logs'>,
    private readonly task: string,
  ) {}

  async *news(): AsyncGenerator<Logged> {
    const { lines, next } = await this.parts.logs.read(this.task, this.offset);
    this.offset = next;
    for (const line of lines) yield { kind: 'logged', line };
  }
}

class StandstillReader {
  /** What was said of steps that wait for their next attempt, or for somebody to unpause them. */
  private readonly told = new Set<string>();

  constructor(
    private readonly parts: Pick<Parts, 'journals' | 'redact'>,
    private readonly task: string,
  ) {}

  /** What a step failed with last; null for one that has not failed. */
  async of(name: string, running: readonly RunningStep[]): Promise<string | null> {
    const journal = await this.parts.journals.find(this.task).catch(() => undefined);
    const failed = running.find(({ step, lastFailure }) => step === name && lastFailure !== null);
    return this.parts.redact(failed?.lastFailure ?? null, journal?.site);
  }

  async *news(running: readonly RunningStep[]): AsyncGenerator<AttemptFailed | StepIsPaused> {
    const news = running.filter((step) => stands(step) && !this.told.has(keyOf(step)));
    if (news.length === 0) return;
    const journal = await this.parts.journals.find(this.task).catch(() => undefined);
    for (const given of news) {
      this.told.add(keyOf(given));
      const step = this.parts.redact(given, journal?.site);
      const outlook = journal && outlookOf(journal);
      if (isPaused(step)) yield { kind: 'paused', step, outlook };
      else yield { kind: 'attempt-failed', step, outlook };
    }
  }
}

function stands({ lastFailure, paused }: RunningStep): boolean {
  return lastFailure !== null || paused !== null;
}

function isPaused(step: RunningStep): step is PausedStep {
  return step.paused !== null;
}

function keyOf({ step, lastFailure, paused }: RunningStep): string {
  return paused === null ? `${step} ${lastFailure}` : `${step} paused ${paused.since}`;
}

/** Nothing else of a journal leaves this place: it holds a password. */
function outlookOf({ undoing, committed, maintenance }: Journal): Outlook {
  return { undoing, committed, maintenance };
}
