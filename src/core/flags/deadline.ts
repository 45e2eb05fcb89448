import { z } from 'zod';

/*
 * A maintenance flag on another machine says how long it may stand there: what keeps the site shut must not outlive the master that would
 * open it again. That machine takes it away by itself. An empty flag stays until somebody takes it away.
 */

const LONGEST_MS = 30 * 24 * 3_600_000;

const deadlineSchema = z.strictObject({
  /** How long the flag may stand from when it was written, by the clock of its machine, ms: those of two machines have nothing to do with each other. */
  leftMs: z.int().min(0).max(LONGEST_MS),
  /** The file by which the application shuts itself, which goes with the flag. */
  application: z
    .strictObject({
      /** The folder of the site. */
      root: z.string().startsWith('/').max(4096),
      path: z
        .string()
        .regex(/^[^/\0]+$/)
        .max(255),
      content: z.string().max(1024),
    })
    .optional(),
});
export type Deadline = z.infer<typeof deadlineSchema>;

/** More is none. */
export const MAXIMUM_DEADLINE_BYTES = 16 * 1024;

/** What the flag of a deadline holds. */
export function flagOf({ leftMs, application }: Deadline): string {
  const bounded = Math.min(Math.max(0, Math.round(leftMs)), LONGEST_MS);
  return JSON.stringify({ leftMs: bounded, ...(application ? { application } : {}) } satisfies Deadline);
}

/** What a flag says; null where it stays until somebody takes it away. */
export function deadlineOf(content: string | Buffer): Deadline | null {
  if (content.length === 0 || content.length > MAXIMUM_DEADLINE_BYTES) return null;
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch {
    return null;
  }
  return deadlineSchema.safeParse(value).data ?? null;
}
