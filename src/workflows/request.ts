import { ApplicationFailure, CancellationScope, CancelledFailure, setCurrentDetails } from '@temporalio/workflow';
import { PERMANENT_ERROR_CODES } from '../contract/error-codes';
import { markdownText } from '../contract/printable';
import type { Refusal, RequestInput, SubmitRequest } from '../contract/tasks';
import { acceptRequestInput, withRequestKey } from './steps/input';
import { RequestedTask } from './steps/requested-task';
import { setSite } from './steps/visibility';

/**
 * Asks for a task under any ID, and ends as the task does, with its result: for Temporal's Schedules, children, and services in
 * other languages. Cancelled, it cancels the task; terminated, it leaves it to go on.
 */
export async function request(given: RequestInput): Promise<unknown> {
  const asked = withRequestKey(acceptRequestInput(given));
  setSite(asked.input.site);
  show(asked);
  const task = new RequestedTask(asked, (ticket) => show(asked, ticket.task));
  const outcome = await task.outcome();
  if ('done' in outcome) return outcome.done;
  throw failureOf(outcome.failed);
}

function show({ type, input: { site } }: SubmitRequest, task?: string): void {
  const title = `**${type} ${markdownText(site)}**`;
  setCurrentDetails(
    task === undefined
      ? `${title}\n\nasks for its turn`
      : `${title}\n\n**${markdownText(task)}**: see \`site/${site}\``,
  );
}

function failureOf({ code, message, details }: Refusal): Error {
  // Of a task that somebody else has cancelled this one fails.
  if (code === 'Cancelled' && CancellationScope.current().consideredCancelled) return new CancelledFailure(message);
  return ApplicationFailure.create({
    ...{ type: code, message, details: [details] },
    // A policy of retries, where the caller gives one, holds for the rest.
    nonRetryable: PERMANENT_ERROR_CODES.some((permanent) => permanent === code),
  });
}
