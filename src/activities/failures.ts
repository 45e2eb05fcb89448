import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { z } from 'zod';
import type { ErrorCode } from '../contract/error-codes';
import { isKedgeError } from '../contract/errors';
import { siteOfTask } from '../contract/names';
import { MAXIMUM_MESSAGE_BYTES, MAXIMUM_TEXT_BYTES, shortened } from '../contract/payload-bounds';
import { printableLines } from '../contract/printable';
import { messageOfError } from '../contract/schema-issues';
import type { TaskFailureDetails } from '../contract/tasks';
import { runningActivity } from './running-activity';
import { whyStopped } from './why-stopped';

/** How often in all a step is tried whose program was ended from outside. */
const KILLED_ATTEMPTS = 3;

/**
 * Maps what an activity throws to the failure Temporal stores: the code as its type, so that the workflow's options say
 * what is retried, and no secret in it. Nothing sets `nonRetryable`: it would end an undo after one attempt.
 */
export class FailureInterceptor implements ActivityInboundCallsInterceptor {
  constructor(
    private readonly redact: (text: string, site: string | null) => string,
    private readonly kills: Kills = OF_THIS_WORKER,
  ) {}

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    try {
      const result = await next(input);
      this.kills.forget();
      return result;
    } catch (error) {
      throw this.failureOf(error, siteOf(input.args[0]));
    }
  }

  private failureOf(error: unknown, ofInput: string | null): unknown {
    const { cancellationSignal, cancellationDetails } = Context.current();
    if (cancellationSignal.aborted) {
      const { type, said } = whyStopped(cancellationDetails);
      if (type === 'Cancelled') return cancellationSignal.reason;
      return ApplicationFailure.create({
        type,
        message: said,
        // Nothing is wrong: another worker may go on at once.
        nextRetryDelay: '1 millisecond',
      });
    }
    if (isKedgeError(error)) {
      const type =
        error.code === 'ProgramKilled' && this.kills.another() >= KILLED_ATTEMPTS ? KILLED_AGAIN : error.code;
      const { hint, site, server, state } = error;
      const whose = ofInput ?? site ?? null;
      const details: TaskFailureDetails = {
        hint: shortened(this.redact(hint, whose), MAXIMUM_TEXT_BYTES),
        ...(site === undefined ? {} : { site }),
        ...(server === undefined ? {} : { server }),
        ...(state === undefined ? {} : { state: shortened(this.redact(state, whose), MAXIMUM_TEXT_BYTES) }),
      };
      const failure = ApplicationFailure.create({
        type,
        message: this.shown(error.message, whose),
        details: [details],
      });
      // What it says is for operators; of an error nobody expected, below, where it came from is all there is.
      failure.stack = '';
      return failure;
    }
    if (error instanceof Error && error.name === 'ApplicationFailure') return error;
    const message = error instanceof Error ? `${error.name}: ${messageOfError(error)}` : String(error);
    return ApplicationFailure.create({ type: 'Internal', message: this.shown(message, ofInput) });
  }

  /** Failures are shown by browsers and terminals that are not ours. The task's log has what is cut here. */
  private shown(message: string, site: string | null): string {
    return shortened(printableLines(this.redact(message, site)).join('\n'), MAXIMUM_MESSAGE_BYTES);
  }
}

const KILLED_AGAIN: ErrorCode = 'ProgramKilledAgain';

/**
 * How often a step of a run had a program ended from outside, as far as this worker saw: with that code the last attempt of
 * a step that goes forward tells Temporal's options, which count attempts of whatever cause, that it was the last.
 */
export class Kills {
  private readonly counts = new Map<string, number>();

  /** Counts one more of the running activity. Returns how many it is. */
  another(): number {
    const count = (this.counts.get(runningActivity()) ?? 0) + 1;
    if (count >= KILLED_ATTEMPTS) this.forget();
    else this.counts.set(runningActivity(), count);
    return count;
  }

  forget(): void {
    this.counts.delete(runningActivity());
  }
}

/** Activities have an interceptor each. */
const OF_THIS_WORKER = new Kills();

/** The site a step is about, by the task or the input it was given. */
function siteOf(argument: unknown): string | null {
  const { task, site } = z
    .object({ task: z.string().optional().catch(undefined), site: z.string().optional().catch(undefined) })
    .catch({})
    .parse(argument);
  return site ?? (task === undefined ? null : (siteOfTask(task) ?? null));
}
