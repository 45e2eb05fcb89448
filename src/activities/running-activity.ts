import { Context } from '@temporalio/activity';

/** Names the running activity among all of its run: the same for each attempt of it. */
export function runningActivity(): string {
  const { workflowExecution, activityId } = Context.current().info;
  return `${workflowExecution?.runId}/${activityId}`;
}
