import type { TaskHandle } from '../client';
import { type TaskEvent, followTask } from '../operations/follow-task';
import type { CommandContext } from './context';
import { EXIT } from './exit-codes';
import { Interrupts } from './interrupts';
import { TaskView } from './render/task-view';
import { pausedStepText, stuckNameOf, stuckText } from './render/waiting';

/** How following a task ended: with its result, or by leaving it to itself. */
type Followed<Result> = Extract<TaskEvent<Result>, { kind: 'ended' | 'stuck' | 'left' }>;

/**
 * Shows a task's steps as they happen and waits for its outcome; undo that cannot finish is not waited for. While a question is on the
 * terminal nothing is shown.
 * @throws KedgeError of the task when it fails
 */
async function showTask<Result>(
  context: CommandContext,
  handle: TaskHandle<Result>,
  interrupts: Interrupts,
): Promise<Followed<Result>> {
  const view = new TaskView(context.printer, handle.ticket);
  const held: Parameters<TaskView['show']>[0][] = [];
  const showHeld = (): void => held.splice(0).forEach((event) => view.show(event));
  let failure: unknown;
  try {
    for await (const event of followTask(await context.parts(), handle, interrupts.left)) {
      if (event.kind === 'ended' || event.kind === 'stuck' || event.kind === 'left') return event;
      if (interrupts.isAsking && event.kind === 'running') continue;
      held.push(event);
      if (!interrupts.isAsking) showHeld();
    }
    return { kind: 'left' };
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    interrupts.end();
    showHeld();
    context.printer.idle();
    view.end(failure);
  }
}

/**
 * Submits a task, follows it and prints its end: the whole of a command that does so.
 * @throws KedgeError of the submit, and of the task when it fails
 */
export async function reportTask<Result extends { warnings: string[] }>(
  context: CommandContext,
  submit: () => Promise<TaskHandle<Result>>,
  detach: boolean,
  lines: (result: Result) => string[],
): Promise<void> {
  const { printer } = context;
  const interrupts = new Interrupts(context);
  try {
    const handle = await submit();
    interrupts.accepted({
      name: handle.task,
      cancelling: `cancelling ${handle.task}; it undoes first`,
      cancel: () => handle.cancel(),
    });
    if (detach && !interrupts.isCancelled) return tellLeft(context, handle);
    const followed = await showTask(context, handle, interrupts);
    if (followed.kind === 'left') return tellLeft(context, handle);
    if (followed.kind === 'stuck') return tellStuck(context, handle, followed);
    const { result } = followed;
    for (const warning of result.warnings) printer.warn(warning);
    if (result.warnings.length > 0) context.exitCode = EXIT.warnings;
    printer.result(result, lines(result));
  } finally {
    interrupts.end();
  }
}

function tellLeft({ printer }: CommandContext, { task, site, ticket }: TaskHandle<unknown>): void {
  if (ticket.noWorker)
    printer.result({ task, site, detached: true, waitsFor: 'worker' }, [
      `${task} is accepted and waits for a worker: start one with \`kedge worker\` on the master`,
    ]);
  else printer.result({ task, site, detached: true }, [`${task} goes on; see \`kedge log -f ${task}\``]);
}

function tellStuck(
  context: CommandContext,
  { task, site, ticket }: TaskHandle<unknown>,
  { step, why, paused }: Extract<TaskEvent<unknown>, { kind: 'stuck' }>,
): void {
  context.exitCode = EXIT.undoPending;
  const stands = { task, site, detached: true, attention: step, why, ...(paused === null ? {} : { paused }) };
  context.printer.result(stands, [
    paused === null
      ? stuckText(task, step, why)
      : `${stuckNameOf(task, step)} does not go on: ${pausedStepText(ticket.workflowId, step, paused)}`,
  ]);
}
