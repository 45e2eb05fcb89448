import { randomUUID } from 'node:crypto';
import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  isGrpcServiceError,
} from '@temporalio/client';
import { KedgeError } from '../contract/errors';
import { SUBMIT_UPDATE, WITHDRAW_SIGNAL, turnsWorkflowId } from '../contract/names';
import type { SubmitRequest, Ticket } from '../contract/tasks';
import { kedgeErrorOf } from './failures';

/**
 * Asks for a task: the queue of the site is started when it is idle, and answers with a ticket.
 * @throws KedgeError SiteBusy with by what, by whom, since when; NoWorker when nobody answers within `timeoutMs`; the request
 * is withdrawn then, unless `keep` says that a worker may carry it out whenever one comes
 */
export async function submit(
  client: Client,
  taskQueue: string,
  request: SubmitRequest,
  { timeoutMs, keep }: { timeoutMs: number; keep: boolean },
): Promise<Ticket> {
  const { site } = request.input;
  const updateId = randomUUID();
  const ask = (): Promise<Ticket> =>
    client.withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.executeUpdateWithStart<(site: string) => Promise<void>, Ticket, [SubmitRequest]>(SUBMIT_UPDATE, {
        args: [request],
        updateId,
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
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
      if (!keep) await takeBack(client, site, updateId);
      throw new KedgeError('NoWorker', `no worker answered on ${taskQueue} within ${Math.round(timeoutMs / 1000)} s`, {
        site,
        state: 'the site is unchanged',
      });
    }
    throw kedgeErrorOf(error, site);
  }
}

function endedMeanwhile(error: unknown): boolean {
  const text = error instanceof Error ? `${error.message} ${isGrpcServiceError(error) ? error.details : ''}` : '';
  return /already completed|AcceptedUpdateCompletedWorkflow/i.test(text);
}

/** What nobody took would surprise everybody hours later: a queue that never ran is ended, another told to forget it. */
async function takeBack(client: Client, site: string, updateId: string): Promise<void> {
  const handle = client.workflow.getHandle(turnsWorkflowId(site));
  const description = await handle.describe().catch(() => null);
  if (description?.status.name !== 'RUNNING') return;
  const taken =
    description.historyLength <= 2
      ? handle.terminate('no worker took it')
      : handle.signal<[string]>(WITHDRAW_SIGNAL, updateId);
  await taken.catch(() => undefined);
}
