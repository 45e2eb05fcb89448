import { z } from 'zod';
import { bootMomentSchema, bootNow } from '../clock';

/*
 * A maintenance flag on another machine says until when it may stand there: what keeps the site shut must not outlive the master that would
 * open it again. That machine takes it away by itself. An empty flag stays until somebody takes it away.
 */

const LONGEST_MS = 30 * 24 * 3_600_000;

const deadlineSchema = z.strictObject({
  /** How long the flag may stand from the first look at it, ms: the clocks of two machines have nothing to do with each other. */
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
  /** When it is over, by the machine itself: by the clock of its boot, and by its clock for after another boot. */
  until: z.strictObject({ moment: bootMomentSchema, at: z.iso.datetime() }).optional(),
});
export type Deadline = z.infer<typeof deadlineSchema>;
/** As a master leaves it. */
export type LeftDeadline = Pick<Deadline, 'leftMs' | 'application'>;

/** More is none. */
export const MAXIMUM_DEADLINE_BYTES = 16 * 1024;

/** The flag of a deadline that nobody has looked at yet. */
export function flagOf({ leftMs, application }: LeftDeadline): string {
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

/** The same, from the first look at it. */
export function begun(deadline: Deadline): Deadline {
  const { boot, ms } = bootNow();
  const at = new Date(Date.now() + deadline.leftMs).toISOString();
  return { ...deadline, until: { moment: { boot, ms: ms + deadline.leftMs }, at } };
}

/** False for one that nobody has looked at yet, too. */
export function isOver({ until }: Deadline): boolean {
  if (until === undefined) return false;
  const { boot, ms } = bootNow();
  return until.moment.boot === boot ? ms >= until.moment.ms : Date.now() >= Date.parse(until.at);
}
