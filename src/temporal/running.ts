import { type Client, type WorkflowExecutionDescription, WorkflowNotFoundError } from '@temporalio/client';
import type { Busy, RunState } from '../contract/tasks';

/** Whether Temporal answers at all within `timeoutMs`. */
export async function temporalAnswers(client: Client, timeoutMs = 3000): Promise<boolean> {
  return client
    .withDeadline(Date.now() + timeoutMs, () => client.workflowService.getSystemInfo({}))
    .then(
      () => true,
      () => false,
    );
}

/**
 * How this run stands in Temporal. One that it does not know may have ended long ago; or this Temporal is another one than
 * that which runs it: restored from an old copy, or another namespace.
 */
export async function runStateOf(client: Client, workflowId: string, runId: string): Promise<RunState> {
  const description = await describeRun(client, workflowId, runId);
  if (description === null) return 'unknown';
  return isOpen(description) ? 'running' : 'closed';
}

/** Whether a run has not ended: one that somebody paused as a whole, as later servers can, goes on when it is unpaused. */
export function isOpen({ status }: Pick<WorkflowExecutionDescription, 'status'>): boolean {
  return status.name === 'RUNNING' || status.name === 'PAUSED';
}

/** A workflow task that failed this often fails again. */
export const STUCK_ATTEMPTS = 3;

/** Whether the code of this run fails again and again, as it does in a worker of another version than began it. */
export async function isStuck(client: Client, workflowId: string, runId: string): Promise<boolean> {
  const description = await describeRun(client, workflowId, runId);
  return (description?.raw.pendingWorkflowTask?.attempt ?? 0) >= STUCK_ATTEMPTS;
}

/** Who runs under a workflow ID now, as far as Temporal knows; null when nobody does. */
export async function whoRuns(client: Client, workflowId: string): Promise<Busy | null> {
  const description = await describeRun(client, workflowId);
  if (!description || !isOpen(description)) return null;
  const { task, who } = description.memo ?? {};
  return {
    task: typeof task === 'string' ? task : description.runId,
    type: description.type,
    who: typeof who === 'string' ? who : 'unknown',
    since: description.startTime.toISOString(),
  };
}

/** A run, the newest one without an id; null where Temporal knows none. @throws what Temporal's client throws */
export async function describeRun(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<WorkflowExecutionDescription | null> {
  try {
    return await client.workflow.getHandle(workflowId, runId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
