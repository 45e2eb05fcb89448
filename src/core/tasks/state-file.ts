import { z } from 'zod';
import { type DocumentKind, readDocument } from '../../contract/documents-on-disk';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { describeIssues } from '../../contract/schema-issues';

/** Decodes a file of the state folder. @throws KedgeError StateInvalid, NewerVersion naming the file and what is wrong */
export function decode<T>(kind: DocumentKind<T>, text: string, path: string): T {
  try {
    return readDocument(kind, JSON.parse(text), path);
  } catch (cause) {
    if (isKedgeError(cause)) throw cause;
    const reason = cause instanceof z.ZodError ? describeIssues(cause) : 'it is not JSON';
    throw new KedgeError('StateInvalid', `${path} cannot be read: ${reason}`, { cause });
  }
}

/** A file that is of a newer Kedge, cut by a disk that failed, or something else: nobody knows what it says. */
export function isUnreadable(error: unknown): error is KedgeError {
  return isKedgeError(error) && UNREADABLE.has(error.code);
}

const UNREADABLE: ReadonlySet<string> = new Set(['StateInvalid', 'NewerVersion', 'FileRefused']);
