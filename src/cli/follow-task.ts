import { setTimeout as delay } from 'node:timers/promises';
import type { RunningStep, TaskHandle } from '../client';
import { z } from 'zod';
import type { CommandContext } from './context';
import { EXIT } from './exit-codes';
import { waitingText } from './render/waiting';
import { bytesText, durationText, progressText } from './render/units';

/** How following a task ended: with its result, or by leaving it to itself. */
export type Followed<Result> =
  { outcome: 'ended'; result: Result } | { outcome: 'detached' } | { outcome: 'attention'; step: string };

const POLL_INTERVAL_MS = 300;

/** What else a line may say; what it says otherwise is passed over. */
const stepLineSchema = z.object({
  event: z.string().optional().catch(undefined),
  durationMs: z.number().optional().catch(undefined),
  bytes: z.number().optional().catch(undefined),
});

/**
 * Shows a task's steps as they happen and waits for its outcome. Ctrl-C asks whether to detach or to cancel (without a
 * terminal it cancels), SIGTERM detaches; undo that cannot finish is not waited for.
 * @throws KedgeError of the task when it fails
 */
export async function followTask<Result>(
  context: CommandContext,
  handle: TaskHandle<Result>,
): Promise<Followed<Result>> {
  const { printer } = context;
  const steps = new StepView(context, handle.task);
  let detached = false;
  let asking = false;
  const onInterrupt = (): void => {
    if (asking) return;
    asking = true;
    void (async () => {
      const choice = context.io.isTerminal ? await askAboutInterrupt(context) : 'cancel';
      asking = choice === 'cancel';
      if (choice === 'detach') detached = true;
      if (choice !== 'cancel') return;
      printer.note(`cancelling ${handle.task}; it undoes first`);
      await handle.cancel();
    })();
  };
  const onTerminate = (): void => {
    detached = true;
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  if (handle.ticket.waiting) printer.note(`${handle.task} waits for its turn`);
  let settled = false;
  const waiting = new AbortController();
  const result = handle.result(waiting.signal).finally(() => (settled = true));
  // Awaited below; until then its failure is not unhandled.
  result.catch(() => undefined);
  try {
    while (!settled && !detached) {
      const status = await handle.status();
      await steps.show(status.steps);
      if (status.attention !== null) return { outcome: 'attention', step: status.attention };
      // A pause that nobody waits for must not keep the command from ending.
      if (!settled)
        await Promise.race([delay(POLL_INTERVAL_MS, undefined, { ref: false }), result.catch(() => undefined)]);
    }
    if (!settled) return { outcome: 'detached' };
    return { outcome: 'ended', result: await result };
  } finally {
    // A poll that goes on would keep the command from ending.
    waiting.abort();
    await steps.show([]);
    printer.idle();
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
  }
}

/** Follows a task and prints its end: the whole of a command that submits one. */
export async function reportTask<Result extends { warnings: string[] }>(
  context: CommandContext,
  handle: TaskHandle<Result>,
  detach: boolean,
  lines: (result: Result) => string[],
): Promise<void> {
  const { printer } = context;
  const { task, site, ticket } = handle;
  const left = (): void =>
    ticket.noWorker
      ? printer.result({ task, site, detached: true, waitsFor: 'worker' }, [
          `${task} is accepted and waits for a worker: start one with \`kedge worker\` on the master`,
        ])
      : printer.result({ task, site, detached: true }, [`${task} goes on; see \`kedge log -f ${task}\``]);
  if (detach) return left();
  const followed = await followTask(context, handle);
  if (followed.outcome === 'detached') return left();
  if (followed.outcome === 'attention') {
    context.exitCode = EXIT.undoPending;
    const { step: attention } = followed;
    printer.result({ task: handle.task, site: handle.site, detached: true, attention }, [
      `undo of ${handle.task} cannot finish: ${attention}. It goes on trying; look now: \`kedge log ${handle.task}\``,
    ]);
    return;
  }
  const { result } = followed;
  for (const warning of result.warnings) printer.warn(warning);
  if (result.warnings.length > 0) context.exitCode = EXIT.warnings;
  printer.result(result, lines(result));
}

async function askAboutInterrupt(context: CommandContext): Promise<'detach' | 'cancel' | 'wait'> {
  context.printer.idle();
  const { select } = await import('@inquirer/prompts');
  return select({
    message: 'The task goes on without you. What now?',
    choices: [
      { name: 'Detach: let it go on', value: 'detach' as const },
      { name: 'Cancel: undo what it did', value: 'cancel' as const },
      { name: 'Keep waiting', value: 'wait' as const },
    ],
  }).catch(() => 'wait' as const);
}

/** A line for each step that ended, from the task's log; what runs now, from Temporal's heartbeats. */
class StepView {
  private offset = 0;
  /** What was said of steps that wait for their next attempt. */
  private readonly told = new Set<string>();

  constructor(
    private readonly context: CommandContext,
    private readonly task: string,
  ) {}

  async show(running: readonly RunningStep[]): Promise<void> {
    const { printer } = this.context;
    const { lines, next } = await (await this.context.master()).logs.read(this.task, this.offset);
    this.offset = next;
    for (const line of lines) {
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
    await this.tellWaiting(running);
    if (running.length > 0) printer.running(running.map(runningText).join(' · '));
  }

  /** Once for each reason. */
  private async tellWaiting(running: readonly RunningStep[]): Promise<void> {
    const news = running.filter((step) => step.lastFailure !== null && !this.told.has(keyOf(step)));
    if (news.length === 0) return;
    const master = await this.context.master();
    const journal = await master.journals.find(this.task).catch(() => undefined);
    for (const step of news) {
      this.told.add(keyOf(step));
      const text = waitingText(this.task, step, journal);
      if (text !== null) this.context.printer.note(master.redact(text, journal?.site));
    }
  }
}

function keyOf({ step, lastFailure }: RunningStep): string {
  return `${step} ${lastFailure}`;
}

function runningText(step: RunningStep): string {
  const attempt = step.attempt > 1 ? `(attempt ${step.attempt})` : '';
  return [step.step, progressText(step.progress), attempt].filter((part) => part !== '').join(' ');
}
