import type { TaskHandle } from '../client';
import type { StepPause } from '../contract/step-pause';
import { followTask } from '../operations/follow-task';
import type { CommandContext } from './context';
import { EXIT } from './exit-codes';
import { listenToSignals } from './interrupts';
import { TaskView } from './render/task-view';
import { pausedStepText } from './render/waiting';

/** How following a task ended: with its result, or by leaving it to itself. */
type Followed<Result> =
  | { outcome: 'ended'; result: Result }
  | { outcome: 'left' }
  | { outcome: 'stuck'; step: string; paused: StepPause | null };

/**
 * Shows a task's steps as they happen and waits for its outcome. Ctrl-C asks whether to detach or to cancel (without a
 * terminal it cancels), SIGTERM detaches; undo that cannot finish is not waited for.
 * @throws KedgeError of the task when it fails
 */
async function showTask<Result>(context: CommandContext, handle: TaskHandle<Result>): Promise<Followed<Result>> {
  const leave = new AbortController();
  const stopListening = listenToSignals(context, {
    name: handle.task,
    cancelling: `cancelling ${handle.task}; it undoes first`,
    cancel: () => handle.cancel(),
    leave: () => leave.abort(),
  });
  try {
    const view = new TaskView(context.printer, handle.ticket);
    for await (const event of followTask(await context.parts(), handle, leave.signal)) {
      if (event.kind === 'ended') return { outcome: 'ended', result: event.result };
      if (event.kind === 'stuck') return { outcome: 'stuck', step: event.step, paused: event.paused };
      view.show(event);
    }
    return { outcome: 'left' };
  } finally {
    context.printer.idle();
    stopListening();
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
  const followed = await showTask(context, handle);
  if (followed.outcome === 'left') return left();
  if (followed.outcome === 'stuck') {
    context.exitCode = EXIT.undoPending;
    const { step: attention, paused } = followed;
    const stands = { task, site, detached: true, attention, ...(paused === null ? {} : { paused }) };
    printer.result(stands, [
      paused === null
        ? `undo of ${task} cannot finish: ${attention}. It goes on trying; look now: \`kedge log ${task}\``
        : `undo of ${task} does not go on: ${pausedStepText(ticket.workflowId, attention, paused)}`,
    ]);
    return;
  }
  const { result } = followed;
  for (const warning of result.warnings) printer.warn(warning);
  if (result.warnings.length > 0) context.exitCode = EXIT.warnings;
  printer.result(result, lines(result));
}
