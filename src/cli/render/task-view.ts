import { z } from 'zod';
import type { RunningStep } from '../../client';
import type { Ticket } from '../../contract/tasks';
import type { TaskEvent } from '../../operations/follow-task';
import type { Printer } from './printer';
import { bytesText, durationText, progressText } from '../../contract/units';
import { pausedStepNote, waitingText } from './waiting';

/** What else a line of a log may say; what it says otherwise is passed over. */
const stepLineSchema = z.object({
  event: z.string().optional().catch(undefined),
  durationMs: z.number().optional().catch(undefined),
  bytes: z.number().optional().catch(undefined),
});

type Logged = Extract<TaskEvent<unknown>, { kind: 'logged' }>;

/** Prints what is seen of a task: a line for each step that ended, from its log; what runs now, from its heartbeats. */
export class TaskView {
  constructor(
    private readonly printer: Pick<Printer, 'note' | 'done' | 'failed' | 'detail' | 'running'>,
    private readonly ticket: Pick<Ticket, 'task' | 'workflowId'>,
  ) {}

  /** How it ended is for the command to say. */
  show(event: Exclude<TaskEvent<unknown>, { kind: 'ended' | 'stuck' }>): void {
    switch (event.kind) {
      case 'waits-turn':
        return this.printer.note(`${this.ticket.task} waits for its turn`);
      case 'logged':
        return this.showLine(event);
      case 'attempt-failed': {
        const text = waitingText(this.ticket.task, event.step, event.outlook);
        if (text !== null) this.printer.note(text);
        return;
      }
      case 'paused':
        return this.printer.note(pausedStepNote(this.ticket, event.step, event.outlook));
      case 'running':
        return this.printer.running(event.steps.map(runningText).join(' · '));
      case 'left':
        return;
    }
  }

  private showLine({ line }: Logged): void {
    const { printer } = this;
    const { event, durationMs, bytes } = stepLineSchema.parse(line);
    if (event === 'done') {
      const size = bytes === undefined ? '' : `  ${bytesText(bytes)}`;
      printer.done(`${line.step.padEnd(24)} ${durationText(durationMs ?? 0)}${size}`);
    } else if (line.level === 'error') {
      printer.failed(`${line.step.padEnd(24)} ${line.message}`);
    } else if (event === undefined) {
      printer.detail(`  ${line.message}`);
    }
  }
}

function runningText(step: RunningStep): string {
  const attempt = step.paused !== null ? '(paused)' : step.attempt > 1 ? `(attempt ${step.attempt})` : '';
  return [step.step, progressText(step.progress), attempt].filter((part) => part !== '').join(' ');
}
