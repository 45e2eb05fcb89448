import { setTimeout as delay } from 'node:timers/promises';
import type { RunningStep, TaskHandle, TaskStatus } from '../client';
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

/** What is seen of a task that is followed. The last event is one of how it ended, unless following throws. */
export type TaskEvent<Result> =
  /** Before anything else: other tasks of the site come first. */
  | { readonly kind: 'waits-turn' }
  | Logged
  | AttemptFailed
  /** What runs or waits for its next attempt now. */
  | { readonly kind: 'running'; readonly steps: readonly RunningStep[] }
  | { readonly kind: 'ended'; readonly result: Result }
  /** It cannot finish an undo, or what follows its commit point, and goes on trying: somebody has to look. */
  | { readonly kind: 'stuck'; readonly step: string }
  /** It goes on, and whoever followed it has left. */
  | { readonly kind: 'left' };

/** A task as it is followed. */
export type FollowedTask<Result> = Pick<TaskHandle<Result>, 'task' | 'ticket' | 'status' | 'result'>;

const POLL_INTERVAL_MS = 300;
/** A step that somebody has to look at, and that neither fails nor ends for so long, hangs or is paused. */
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
  const failures = new FailureReader(parts, task.task);
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
    if (stuck !== null) return () => ({ kind: 'stuck', step: stuck });
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
   * and has not failed yet may well succeed, and the one that cannot may come behind it.
   */
  stuckStepOf({ attention, steps }: TaskStatus): string | null {
    if (attention !== this.step) this.sinceMs = monotonicMs();
    this.step = attention;
    const failed = steps.some(({ step, lastFailure }) => step === attention && lastFailure !== null);
    return failed || monotonicMs() - this.sinceMs >= this.hangsAfterMs ? attention : null;
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

class FailureReader {
  /** What was said of steps that wait for their next attempt. */
  private readonly told = new Set<string>();

  constructor(
    private readonly parts: Pick<Parts, 'journals' | 'redact'>,
    private readonly task: string,
  ) {}

  async *news(running: readonly RunningStep[]): AsyncGenerator<AttemptFailed> {
    const news = running.filter((step) => step.lastFailure !== null && !this.told.has(keyOf(step)));
    if (news.length === 0) return;
    const journal = await this.parts.journals.find(this.task).catch(() => undefined);
    for (const step of news) {
      this.told.add(keyOf(step));
      const lastFailure = this.parts.redact(step.lastFailure, journal?.site);
      const outlook = journal && outlookOf(journal);
      yield { kind: 'attempt-failed', step: { ...step, lastFailure }, outlook };
    }
  }
}

function keyOf({ step, lastFailure }: RunningStep): string {
  return `${step} ${lastFailure}`;
}

/** Nothing else of a journal leaves this place: it holds a password. */
function outlookOf({ undoing, committed, maintenance }: Journal): Outlook {
  return { undoing, committed, maintenance };
}
