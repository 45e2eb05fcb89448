import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { siteWorkflowId } from '../contract/names';

/** What of the journals recovery needs. */
export interface OpenTasks<Task extends { readonly site: string }> {
  open(): Promise<readonly Task[]>;
  /** Whether a task may still go on by itself. */
  lives(task: Task): Promise<boolean>;
}

/**
 * Starts `recover` for every site with a task that was left open by a workflow that is no more: what a worker does first,
 * and again and again. Returns the sites.
 */
export async function recoverOpenTasks<Task extends { readonly site: string }>(
  client: Client,
  taskQueue: string,
  tasks: OpenTasks<Task>,
): Promise<string[]> {
  const sites = new Set<string>();
  for (const task of await tasks.open()) {
    if (!(await tasks.lives(task))) sites.add(task.site);
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
