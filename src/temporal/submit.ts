import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  isGrpcServiceError,
} from '@temporalio/client';
import { KedgeError } from '../contract/errors';
import { SUBMIT_UPDATE, turnsWorkflowId } from '../contract/names';
import type { SubmitRequest, Ticket } from '../contract/tasks';
import { kedgeErrorOf } from './failures';

/**
 * Asks for a task: the queue of the site is started when it is idle, and answers with a ticket.
 * @throws KedgeError SiteBusy with by what, by whom, since when; NoWorker when nobody answers within `timeoutMs`
 */
export async function submit(
  client: Client,
  taskQueue: string,
  request: SubmitRequest,
  timeoutMs: number,
): Promise<Ticket> {
  const { site, requestKey } = request.input;
  const ask = (): Promise<Ticket> =>
    client.withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.executeUpdateWithStart<(site: string) => Promise<void>, Ticket, [SubmitRequest]>(SUBMIT_UPDATE, {
        args: [request],
        ...(requestKey === undefined ? {} : { updateId: requestKey }),
        startWorkflowOperation: new WithStartWorkflowOperation('turns', {
          workflowId: turnsWorkflowId(site),
          taskQueue,
          args: [site],
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: `Turns of ${site}`,
        }),
      }),
    );
  try {
    return await ask().catch((error: unknown) => {
      // The queue may end in the very moment it is asked; then a new one is started.
      if (endedMeanwhile(error)) return ask();
      throw error;
    });
  } catch (error) {
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)
      throw await nobodyAnswered(client, taskQueue, site, timeoutMs);
    throw kedgeErrorOf(error, site);
  }
}

function endedMeanwhile(error: unknown): boolean {
  const text = error instanceof Error ? `${error.message} ${isGrpcServiceError(error) ? error.details : ''}` : '';
  return /already completed|AcceptedUpdateCompletedWorkflow/i.test(text);
}

/** A queue that no worker ever took would surprise everybody hours later: it is ended. */
async function nobodyAnswered(client: Client, taskQueue: string, site: string, timeoutMs: number): Promise<KedgeError> {
  const handle = client.workflow.getHandle(turnsWorkflowId(site));
  const description = await handle.describe().catch(() => null);
  if (description?.status.name === 'RUNNING' && description.historyLength <= 2) {
    await handle.terminate('no worker took it').catch(() => undefined);
  }
  return new KedgeError('NoWorker', `no worker answered on ${taskQueue} within ${Math.round(timeoutMs / 1000)} s`, {
    site,
    state: 'the site is unchanged',
  });
}
