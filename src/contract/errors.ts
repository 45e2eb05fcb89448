import { ERROR_CODES, type ErrorCode } from './error-codes';

/** What an error tells besides its message. All of it is shown to operators, none of it may hold a secret. */
export interface ErrorContext {
  /** What to do, one full sentence. Default: the hint of the code. */
  readonly hint?: string;
  readonly site?: string;
  readonly server?: string;
  /** What state things are in now: `the site is unchanged`. */
  readonly state?: string;
  readonly cause?: unknown;
}

/**
 * The error every part of Kedge throws. The message says what failed and where, in lower case and without a full stop;
 * the code says whether trying again can help, and the exit code.
 */
export class KedgeError extends Error {
  override readonly name = 'KedgeError';
  readonly hint: string;
  readonly site: string | undefined;
  readonly server: string | undefined;
  readonly state: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    context: ErrorContext = {},
  ) {
    super(message, context.cause === undefined ? {} : { cause: context.cause });
    this.hint = context.hint ?? ERROR_CODES[code].hint;
    this.site = context.site;
    this.server = context.server;
    this.state = context.state;
  }

  get permanent(): boolean {
    return ERROR_CODES[this.code].permanent;
  }
}

/** True for a KedgeError, also one of another realm (jest runs tests in a realm of their own). */
export function isKedgeError(error: unknown): error is KedgeError {
  return error instanceof Error && error.name === 'KedgeError' && 'code' in error;
}
