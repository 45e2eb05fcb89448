import type { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { describeIssues } from '../contract/schema-issues';

/** Decodes what a workflow, or whoever stands in its place, was given or gives. @throws KedgeError InputInvalid */
export function decodeInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const decoded = schema.safeParse(input);
  if (decoded.success) return decoded.data;
  throw new KedgeError(
    'InputInvalid',
    `the input is not valid: ${describeIssues(decoded.error).slice(0, LONGEST_REASON)}`,
  );
}

const LONGEST_REASON = 2000;
