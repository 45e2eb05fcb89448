import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { isKedgeError } from '../contract/errors';
import { printableLines } from '../contract/printable';
import type { TaskFailureDetails } from '../contract/tasks';

/**
 * Maps what an activity throws to the failure Temporal stores: the code as its type, so that the workflow's options say
 * what is retried, and no secret in it. Nothing sets `nonRetryable`: it would end an undo after one attempt.
 */
export class FailureInterceptor implements ActivityInboundCallsInterceptor {
  constructor(private readonly redact: <T>(value: T) => T) {}

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      throw this.failureOf(error);
    }
  }

  private failureOf(error: unknown): unknown {
    const { cancellationSignal, cancellationDetails } = Context.current();
    if (cancellationSignal.aborted) {
      // A stopping worker cancels too; the attempt is to be made again by the next worker.
      if (cancellationDetails?.cancelRequested) return cancellationSignal.reason;
      return ApplicationFailure.create({
        type: 'WorkerStopped',
        message: 'the worker stopped in the middle of this step',
        // Nothing is wrong: another worker may go on at once.
        nextRetryDelay: '1 millisecond',
      });
    }
    if (isKedgeError(error)) {
      const { hint, site, server, state } = error;
      const details: TaskFailureDetails = {
        hint,
        ...(site === undefined ? {} : { site }),
        ...(server === undefined ? {} : { server }),
        ...(state === undefined ? {} : { state }),
      };
      return ApplicationFailure.create({
        type: error.code,
        message: this.shown(error.message),
        details: [this.redact(details)],
      });
    }
    if (error instanceof Error && error.name === 'ApplicationFailure') return error;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return ApplicationFailure.create({ type: 'Internal', message: this.shown(message) });
  }

  /** Failures are shown by browsers and terminals that are not ours. */
  private shown(message: string): string {
    return printableLines(this.redact(message)).join('\n');
  }
}
