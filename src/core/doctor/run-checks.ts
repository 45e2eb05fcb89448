import type { Complaint, Finding } from '../../contract/findings';
import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';

/** One thing that can be wrong, and how to see whether it is. */
export interface Check<Subject> {
  readonly check: string;
  /** Checks of the same subject whose error this one would only repeat: it is left out then. */
  readonly after?: readonly string[];
  /** Default {@link LIMIT_MS}. */
  readonly limitMs?: number;
  /** Returns what is wrong; what it throws is an error that was found. Changes nothing. */
  readonly run: (subject: Subject, operation: Operation) => Promise<readonly Complaint[]>;
}

/** The server or site that findings are about. */
export type Place = Pick<Finding, 'server' | 'site'>;

const LIMIT_MS = 30_000;

/**
 * Makes the checks of one subject, in their order. A check that cannot be made, or does not end, is a finding. Throws
 * nothing but the reason of the operation's signal.
 */
export async function runChecks<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
  place: Place,
  operation: Operation,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const repeats = findings.some((found) => found.level === 'error' && check.after?.includes(found.check));
    if (repeats) continue;
    const complaints = await runCheck(check, subject, operation);
    operation.signal.throwIfAborted();
    findings.push(...complaints.map((complaint) => ({ check: check.check, ...place, ...complaint })));
  }
  return findings;
}

async function runCheck<Subject>(
  { run, limitMs = LIMIT_MS }: Check<Subject>,
  subject: Subject,
  operation: Operation,
): Promise<readonly Complaint[]> {
  const limit = new AbortController();
  const overdue = new Promise<never>((_, reject) => {
    limit.signal.addEventListener('abort', () => reject(new OverdueError(limitMs)));
  });
  const timer = setTimeout(() => limit.abort(), limitMs);
  const signal = AbortSignal.any([operation.signal, limit.signal]);
  try {
    return await Promise.race([run(subject, { ...operation, signal }), overdue]);
  } catch (error) {
    return [limit.signal.aborted ? complaintOf(new OverdueError(limitMs)) : complaintOf(error)];
  } finally {
    clearTimeout(timer);
  }
}

class OverdueError extends Error {
  constructor(limitMs: number) {
    super(`the check did not end within ${limitMs / 1000} s`);
  }
}

/** What a failure complains of. */
export function complaintOf(error: unknown): Complaint {
  if (isKedgeError(error)) return { level: 'error', message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof OverdueError)
    return { level: 'error', message, hint: 'Look at the load of the machine, and whether what is checked hangs.' };
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'EACCES' || code === 'EPERM') {
    return { level: 'error', message, hint: 'Run `kedge doctor` as the account the worker runs as.' };
  }
  return { level: 'error', message: `the check failed: ${message}`, hint: 'Report it with this message.' };
}
