import { ApplicationFailure, CancellationScope, defineSignal, getExternalWorkflowHandle } from '@temporalio/workflow';
import { ANSWERED_SIGNAL, ENDED_SIGNAL } from '../../contract/names';
import type { Answer, EndedTask, Refusal, Requester, Ticket } from '../../contract/tasks';
import type { QueuedTask } from './queued-task';

const answered = defineSignal<[Answer]>(ANSWERED_SIGNAL);
const ended = defineSignal<[EndedTask]>(ENDED_SIGNAL);

/** Tells a workflow the ticket it asked for, or why there is none: then it is null. */
export async function tellAnswer(requester: Requester, answer: () => Promise<Ticket>): Promise<Ticket | null> {
  try {
    const ticket = await answer();
    await signal(requester, answered, { ticket });
    return ticket;
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    await signal(requester, answered, { refused: refusalOf(error) });
    return null;
  }
}

/** Tells a workflow that its task has ended. */
export async function tellEnd(requester: Requester, how: EndedTask): Promise<void> {
  await signal(requester, ended, how);
}

/** Tells all that asked for a task that it has ended. */
export async function tellEnds(
  { task, requesters = [] }: QueuedTask,
  how: Partial<Omit<EndedTask, 'task'>>,
): Promise<void> {
  await Promise.all(requesters.map((requester) => tellEnd(requester, { task, runId: null, ...how })));
}

function refusalOf({ type, message, details }: ApplicationFailure): Refusal {
  return { code: type ?? 'Internal', message, details: details?.[0] ?? {} };
}

/** One that has ended meanwhile, or is none, needs no news. Delivered before the queue may end: Temporal drops what a closed workflow sends. */
async function signal<Told>(
  { workflowId, runId }: Requester,
  definition: ReturnType<typeof defineSignal<[Told]>>,
  told: Told,
): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    getExternalWorkflowHandle(workflowId, runId)
      .signal(definition, told)
      .catch(() => undefined),
  );
}
