import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { siteWorkflowId } from '../contract/names';
import { isRunning } from './running';

/** What of the journals recovery needs. */
interface OpenTasks {
  open(): Promise<readonly { site: string; workflowId: string; runId: string }[]>;
}

/**
 * Starts `recover` for every site with a task that was left open by a workflow that is no more: what a worker does first.
 * Returns the sites.
 */
export async function recoverOpenTasks(client: Client, taskQueue: string, journals: OpenTasks): Promise<string[]> {
  const sites = new Set<string>();
  for (const { site, workflowId, runId } of await journals.open()) {
    if (!(await isRunning(client, workflowId, runId))) sites.add(site);
  }
  for (const site of sites) {
    await client.workflow
      .start('recover', { workflowId: siteWorkflowId(site), taskQueue, args: [site], staticSummary: `Recover ${site}` })
      .catch((error: unknown) => {
        // Another task runs there already: its preflight recovers first.
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      });
  }
  return [...sites];
}
