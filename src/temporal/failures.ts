import { WorkflowFailedError, WorkflowUpdateFailedError, isGrpcServiceError } from '@temporalio/client';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
} from '@temporalio/common';
import { isErrorCode } from '../contract/error-codes';
import { KedgeError, isKedgeError } from '../contract/errors';
import { taskFailureSchema } from '../contract/tasks';

/** A failed task, as its caller sees it. */
export class TaskFailedError extends KedgeError {
  /** The backup a failed restore made first; it stays in the catalogue. */
  safetyBackup: string | undefined;
}

/**
 * The error a caller is given for whatever Temporal's client threw. Errors of Kedge's own come back as they are. `site`: null for what is
 * about many.
 */
export function kedgeErrorOf(error: unknown, site: string | null): unknown {
  if (isKedgeError(error)) return error;
  const cause = causeOf(error);
  const what = site === null ? 'the run' : `the task on ${site}`;
  const about = (state: string): { site?: string; state?: string } => (site === null ? {} : { site, state });
  if (cause instanceof ApplicationFailure) return fromApplicationFailure(cause, site);
  if (cause instanceof CancelledFailure)
    return new TaskFailedError('Cancelled', `${what} was cancelled`, about('the site is as it was before'));
  if (cause instanceof TerminatedFailure)
    return new TaskFailedError(
      'TaskTerminated',
      `${what} was terminated in Temporal`,
      about('recovery puts the site back'),
    );
  if (isGrpcServiceError(error)) {
    return new KedgeError('TemporalUnreachable', `Temporal did not answer: ${error.details || error.message}`, {
      cause: error,
    });
  }
  return error;
}

/** What lies below the failures that only say where it happened. */
function causeOf(error: unknown): unknown {
  const wraps =
    error instanceof WorkflowFailedError ||
    error instanceof WorkflowUpdateFailedError ||
    error instanceof ActivityFailure ||
    error instanceof ChildWorkflowFailure;
  return wraps && error.cause !== undefined ? causeOf(error.cause) : error;
}

function fromApplicationFailure(failure: ApplicationFailure, site: string | null): TaskFailedError {
  const details = taskFailureSchema.safeParse(failure.details?.[0] ?? {}).data ?? {};
  const { safetyBackup, ...context } = details;
  const error = new TaskFailedError(isErrorCode(failure.type) ? failure.type : 'Internal', failure.message, {
    ...(site === null ? {} : { site }),
    ...context,
    cause: failure,
  });
  error.safetyBackup = safetyBackup;
  return error;
}
