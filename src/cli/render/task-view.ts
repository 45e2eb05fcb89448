import { z } from 'zod';
import type { RunningStep } from '../../client';
import { isUndoName, sentenceOf } from '../../contract/steps';
import { bytesText, durationText, progressText } from '../../contract/units';
import { monotonicMs } from '../../core/clock';
import type { Ticket } from '../../contract/tasks';
import type { TaskEvent } from '../../operations/follow-task';
import type { Printer } from './printer';
import { TimeLeft } from './time-left';
import { failureText, pausedStepNote, waitingText } from './waiting';

/** What else a line of a log may say; what it says otherwise is passed over. */
const stepLineSchema = z.object({
  event: z.string().optional().catch(undefined),
  durationMs: z.number().optional().catch(undefined),
  bytes: z.number().optional().catch(undefined),
});

type Logged = Extract<TaskEvent<unknown>, { kind: 'logged' }>;

/** Room for the longest sentence of a step, and its mark of undo. */
const COLUMN = 42;
/** Two messages that begin alike for so long say the same: one of them may have been shortened. */
const TOLD_APART_BY = 200;
const UNDO_PREFIX = /^Undo: (.)/;

/**
 * Prints what is seen of a task: a line for each step that ended, from its log, undo under a heading of its own; what runs now, from
 * its heartbeats. What a step failed with is said once: when it is tried again, or at the end of the task, by its error.
 */
export class TaskView {
  private readonly timeLeft = new TimeLeft();
  /** Steps that failed, and why, as long as nothing was said of it. */
  private readonly untold = new Map<string, string>();
  /** The same, of those that are named already. */
  private readonly unexplained = new Map<string, string>();
  private isUndoing = false;
  /** A backup that is published takes back what was done to the site for it: that is no failure's undo. */
  private isSaved = false;

  constructor(
    private readonly printer: Pick<Printer, 'note' | 'done' | 'failed' | 'detail' | 'running'>,
    private readonly ticket: Pick<Ticket, 'task' | 'workflowId'>,
    private readonly now: () => number = monotonicMs,
  ) {}

  /** How it ended is for the command to say. */
  show(event: Exclude<TaskEvent<unknown>, { kind: 'ended' | 'stuck' }>): void {
    switch (event.kind) {
      case 'waits-turn':
        return this.printer.note(`${this.ticket.task} waits for its turn`);
      case 'logged':
        return this.showLine(event);
      case 'attempt-failed': {
        this.untold.delete(event.step.step);
        const text = waitingText(this.ticket.task, event.step, event.outlook);
        if (text !== null) this.printer.note(text);
        return;
      }
      case 'paused':
        return this.printer.note(pausedStepNote(this.ticket, event.step, event.outlook));
      case 'running':
        return this.printer.running(event.steps.map((step) => this.runningText(step)).join(' · '));
      case 'left':
        return;
    }
  }

  /** Names the steps that failed and were not tried again; says why of those whose reason is not what `error` says. */
  end(error?: unknown): void {
    this.nameFailures();
    const said = error instanceof Error ? error.message : '';
    for (const [step, why] of this.unexplained)
      if (!saysTheSame(why, said)) this.printer.note(`  ${failureText(step, why)}`);
    this.unexplained.clear();
  }

  private showLine({ line }: Logged): void {
    const { printer } = this;
    const { event, durationMs, bytes } = stepLineSchema.parse(line);
    if (event === 'began') {
      this.showBeginning(line.step);
    } else if (event === 'done') {
      if (line.step === 'publishBackup') this.isSaved = /-backup(_\d+)?$/.test(this.ticket.task);
      const size = bytes === undefined ? '' : `  ${bytesText(bytes)}`;
      printer.done(`${this.nameOf(line.step).padEnd(COLUMN)} ${durationText(durationMs ?? 0)}${size}`);
    } else if (line.level === 'error') {
      // The rest of a long message is in the log.
      if (!line.message.startsWith('… ')) this.untold.set(line.step, line.message);
    } else if (event === undefined) {
      printer.detail(`  ${line.message}`);
    }
  }

  private showBeginning(step: string): void {
    const why = this.untold.get(step);
    if (why !== undefined) {
      // It is tried again, before anybody else told of it.
      this.untold.delete(step);
      this.printer.failed(`${this.nameOf(step).padEnd(COLUMN)} ${why}`);
    }
    if (!isUndoName(step) || this.isUndoing || this.isSaved) return;
    this.nameFailures();
    this.isUndoing = true;
    this.printer.note('Undo:');
  }

  /** The failure that the task ends with is said by its error, which comes behind its undo. */
  private nameFailures(): void {
    for (const [step, why] of this.untold) {
      // By somebody, or since another step beside it failed.
      const isCancelled = why === 'cancelled';
      this.printer.failed(isCancelled ? `${this.nameOf(step).padEnd(COLUMN)} ${why}` : this.nameOf(step));
      if (!isCancelled) this.unexplained.set(step, why);
    }
    this.untold.clear();
  }

  /** Under their heading undos need no more to be called so. */
  private nameOf(step: string): string {
    if (!isUndoName(step)) return sentenceOf(step);
    const name = sentenceOf(step).replace(UNDO_PREFIX, (_, first: string) => first.toUpperCase());
    return this.isUndoing ? `  ${name}` : name;
  }

  private runningText(step: RunningStep): string {
    const left = this.timeLeft.of(step, this.now());
    const bytes = progressText(step.progress);
    const parts = [
      sentenceOf(step.step),
      left === null ? bytes : `${bytes}, ${durationText(left)} left`,
      step.paused !== null ? '(paused)' : step.attempt > 1 ? `(attempt ${step.attempt})` : '',
    ];
    return parts.filter((part) => part !== '').join('  ');
  }
}

function saysTheSame(why: string, error: string): boolean {
  return error.startsWith(why.slice(0, TOLD_APART_BY)) && why !== '';
}
