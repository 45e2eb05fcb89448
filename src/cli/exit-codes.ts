import { ERROR_CODES, isErrorCode } from '../contract/error-codes';

/** The exit codes of every command; those of errors stand in the table of error codes. */
export const EXIT = { done: 0, failed: 1, usage: 2, warnings: 3, undoPending: 4, cancelled: 130 } as const;

/** The exit code for an error a command ended with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Error && 'code' in error && isErrorCode(error.code)) return ERROR_CODES[error.code].exit;
  return EXIT.failed;
}
