import type { Client } from '@temporalio/client';

/**
 * What the Reset button of the Temporal Web UI does, on the newest run under an id: to the last workflow task that was done, or
 * to the first. Returns the id of the new run.
 */
export async function resetRun(client: Client, workflowId: string, to: 'last' | 'first' = 'last'): Promise<string> {
  const { namespace } = client.options;
  const { runId } = await client.workflow.getHandle(workflowId).describe();
  const execution = { workflowId, runId };
  const { history } = await client.workflowService.getWorkflowExecutionHistory({ namespace, execution });
  const done = (history?.events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const reset = await client.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: execution,
    reason: 'pressed in a test',
    requestId: `${to} of ${runId}`,
    workflowTaskFinishEventId: done.at(to === 'last' ? -1 : 0)?.eventId ?? null,
  });
  return reset.runId;
}
