import { type Client, type WorkflowExecutionDescription, WorkflowNotFoundError } from '@temporalio/client';
import { WORKFLOW_TYPES, siteWorkflowId, turnsWorkflowId } from '../contract/names';
import { describeRun, isOpen } from './running';

/** A workflow of somebody else's under an id that is a site's own: no task of the site can begin, or be asked for. */
export interface ForeignWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  /** Why it is none of Kedge's, as the end of a sentence. */
  readonly why: string;
}

const TASKS: readonly string[] = [...WORKFLOW_TYPES, 'recover'];
/** Kedge begins what it starts at once. */
const LATE_MS = 1_000;

/** What holds the ids of a site and is none of this master's workflows. @throws what Temporal's client throws */
export async function findForeignWorkflows(
  client: Client,
  taskQueue: string,
  site: string,
): Promise<ForeignWorkflow[]> {
  const ids: readonly (readonly [string, readonly string[]])[] = [
    [siteWorkflowId(site), TASKS],
    [turnsWorkflowId(site), ['turns']],
  ];
  const found = await Promise.all(
    ids.map(async ([workflowId, types]) => {
      const description = await describeRun(client, workflowId);
      const why = description && isOpen(description) ? whyForeign(description, types, taskQueue) : null;
      return description && why ? [{ workflowId, runId: description.runId, why }] : [];
    }),
  );
  return found.flat();
}

/** Ends one. */
export async function endForeignWorkflow(client: Client, found: ForeignWorkflow, reason: string): Promise<void> {
  await endRun(client, found.workflowId, found.runId, reason);
}

/** Ends a run of a workflow, without any undo of its own. False when it had ended. @throws what Temporal's client throws */
export async function endRun(client: Client, workflowId: string, runId: string, reason: string): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId, runId).terminate(reason);
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

function whyForeign(
  { type, taskQueue, startTime, executionTime }: WorkflowExecutionDescription,
  types: readonly string[],
  own: string,
): string | null {
  if (!types.includes(type)) return `it is of the type ${type}`;
  if (taskQueue !== own) return `it waits for workers of ${taskQueue}`;
  if (executionTime && executionTime.getTime() > startTime.getTime() + LATE_MS)
    return `it is to begin at ${executionTime.toISOString()}`;
  return null;
}
