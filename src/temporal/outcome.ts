import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { siteWorkflowId } from '../contract/names';
import type { TaskOutcome } from '../contract/tasks';
import { TaskFailedError, kedgeErrorOf } from './failures';
import { isOpen } from './running';

/**
 * How a run of a task on a site has ended; null while it goes on. One that Temporal has forgotten has failed as far as anybody knows.
 * @throws what Temporal's client throws where it does not answer
 */
export async function outcomeOf(client: Client, site: string, runId: string): Promise<TaskOutcome | null> {
  const run = client.workflow.getHandle(siteWorkflowId(site), runId);
  try {
    if (isOpen(await run.describe())) return null;
    return { done: (await run.result()) as unknown };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      return failed('TaskUnknown', `Temporal does not know the run ${runId} of ${site} any more`, { site });
    const failure = kedgeErrorOf(error, site);
    if (!(failure instanceof TaskFailedError)) throw error;
    const { code, message, hint, server, state, safetyBackup } = failure;
    return failed(code, message, {
      ...{ site: failure.site ?? site, hint },
      ...(server === undefined ? {} : { server }),
      ...(state === undefined ? {} : { state }),
      ...(safetyBackup === undefined ? {} : { safetyBackup }),
    });
  }
}

function failed(code: string, message: string, details: object): TaskOutcome {
  return { failed: { code, message, details } };
}
