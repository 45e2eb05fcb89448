import { KedgeError } from '../../contract/errors';
import { monotonicMs } from '../clock';
import type { Operation } from '../operation';
import { type OnlineParts, bringOnline } from './bring-online';
import { Reminders } from './reminders';
import { type Journal, markOf } from '../tasks/journal';
import { WATCHDOG_GRACE_MS, shutFor } from '../tasks/maintenance-limit';

export interface WatchdogParts extends OnlineParts {
  /** Tells what runs of a task in this worker to end, and why, and waits for it for a while. */
  readonly revoke: (task: string, reason: KedgeError) => Promise<unknown>;
}

/**
 * A process that runs and does not give the lock of the site back in the meantime is ended, ms. Not by a worker that does not reach the
 * machine of the site: the one that has the lock may reach it.
 */
const PATIENCE_MS = 60_000;
/** Then it is begun anew, and what is in the way is in the log of the task, ms. */
const LONGEST_MS = 300_000;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 60_000;

/** A site that could not be given back whole is tried again: not before, and what is in its way is not told each time. */
interface Failed {
  readonly notBefore: number;
  readonly waitedMs: number;
  readonly reminders: Reminders;
  /** Nothing was in its way but a machine that did not answer. */
  readonly onlyWaits: boolean;
}

/**
 * Ends maintenance that outlasted its limit, from the journals alone: at the limit while Temporal is away; and with Temporal
 * up when the workflow, which has a limit of its own, has not done it a little later, whatever holds it: a step or an undo
 * that is paused, a queue that nobody serves, code that cannot replay it, a worker that hangs. What the task still has to
 * undo stays its own affair; a restore that switched and has not committed is switched back. A task is taken over once: what a machine
 * that does not answer holds up is looked for again and again, and nothing that runs is ended for it.
 */
export class Watchdog {
  private readonly atWork = new Map<string, Promise<void>>();
  private readonly failed = new Map<string, Failed>();

  private readonly parts: WatchdogParts;

  constructor(
    parts: WatchdogParts,
    private readonly temporalAnswers: () => Promise<boolean>,
  ) {
    this.parts = { ...parts, locks: parts.locks.waiting({ patienceMs: PATIENCE_MS }) };
  }

  /**
   * Begins what is to be done now; no site waits for another. `operationFor` gives the work for a task.
   */
  async look(operationFor: (task: string) => Operation): Promise<void> {
    const overdue = (await this.parts.journals.open()).filter((journal) => this.isOverdue(journal));
    const held = overdue.filter((journal) => (shutFor(journal) ?? 0) < -WATCHDOG_GRACE_MS);
    const answers = held.length < overdue.length && (await this.temporalAnswers());
    for (const journal of answers ? held : overdue) {
      const why = held.includes(journal)
        ? 'its maintenance limit passed and its workflow did not end it'
        : 'its maintenance limit passed while Temporal was away';
      const working = this.giveBack(journal, why, operationFor(journal.task));
      this.atWork.set(journal.task, working);
      void working.finally(() => this.atWork.delete(journal.task));
    }
  }

  /** Waits for what was begun. */
  async settled(): Promise<void> {
    await Promise.all(this.atWork.values());
  }

  private isOverdue(journal: Journal): boolean {
    const { task, givenBack, target } = journal;
    if (target === null || givenBack !== null || (shutFor(journal) ?? 1) > 0) return false;
    return !this.atWork.has(task) && monotonicMs() >= (this.failed.get(task)?.notBefore ?? 0);
  }

  private async giveBack(journal: Journal, why: string, operation: Operation): Promise<void> {
    const { site, task } = journal;
    const taken = `${site} was taken over by the worker: ${why}`;
    const before = this.failed.get(task);
    if (!before) operation.log.info(taken);
    // While a machine is away this only looks for it: what takes back meanwhile goes on.
    if (!before?.onlyWaits) await this.parts.revoke(task, new KedgeError('TaskSuperseded', taken, { site }));
    const signal = AbortSignal.any([operation.signal, AbortSignal.timeout(LONGEST_MS)]);
    // What it leaves when the worker dies is the task's.
    const mark = `watchdog-${markOf(journal)}/give-back`;
    const given = await bringOnline(this.parts, site, { by: 'the worker', why }, { ...operation, mark, signal }).then(
      (brought) => ({
        problems: brought.flatMap(({ problems }) => problems),
        onlyWaits: brought.every(({ problems, onlyWaits }) => onlyWaits || problems.length === 0),
      }),
      (error: unknown) => ({ problems: [{ about: 'all of it', text: textOf(error) }], onlyWaits: false }),
    );
    if (operation.signal.aborted) return;
    const { problems, onlyWaits } = given;
    if (problems.length === 0) {
      this.failed.delete(task);
      return;
    }
    const waitedMs = before ? Math.min(2 * before.waitedMs, LONGEST_RETRY_MS) : FIRST_RETRY_MS;
    const reminders = before?.reminders ?? new Reminders();
    // It is tried again until it succeeds.
    const told = reminders.due(problems, monotonicMs()).map(({ text }) => text);
    if (told.length > 0) operation.log.warn(`${site} could not be given back to its visitors: ${told.join('; ')}`);
    this.failed.set(task, { notBefore: monotonicMs() + waitedMs, waitedMs, reminders, onlyWaits });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
