import { KedgeError } from '../../contract/errors';

/** Errors of the disk that say the same, whatever was written. */
export function diskFullOr(error: unknown, server: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS') {
    const message = error instanceof Error ? error.message : String(error);
    return new KedgeError('DiskFull', `cannot write on ${server}: ${message}`, { server, cause: error });
  }
  return error;
}
