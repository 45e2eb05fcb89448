import { z } from 'zod';
import { backupIdSchema } from './backup-record';
import { doctorReportSchema } from './findings';
import { siteUriSchema } from './target';

/** What commands that start no task print with --json. */

/** The document of `kedge init --json`. */
export const initReportSchema = z.strictObject({
  /** The configuration that was written. */
  path: z.string(),
  /** Sites it holds. */
  sites: z.array(siteUriSchema),
  /** Sites that stand there commented out, and why. */
  undecided: z.array(z.strictObject({ site: siteUriSchema, problems: z.array(z.string()) })),
  /** Names of vhosts of a server that is not supported yet. */
  unsupported: z.array(z.strictObject({ name: z.string(), file: z.string() })),
  /** What was not found or not understood. */
  notes: z.array(z.string()),
  /** What `kedge doctor` says of the new configuration. */
  doctor: doctorReportSchema,
});
export type InitReport = z.infer<typeof initReportSchema>;

/** The document of `kedge backups check --json`. */
export const backupsCheckSchema = z.strictObject({
  /** True when every backup read back as its record says. */
  ok: z.boolean(),
  backups: z.array(
    z.strictObject({
      backup: z.string(),
      site: siteUriSchema,
      archive: z.string().nullable(),
      ok: z.boolean(),
      /** Bytes read; 0 where there was nothing to read. */
      bytes: z.int().nonnegative(),
      durationMs: z.int().nonnegative(),
      problem: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
      /** Why the database server could not be asked whether it takes the definitions. */
      notTried: z.string().optional(),
    }),
  ),
});
export type BackupsCheck = z.infer<typeof backupsCheckSchema>;

/** The document of `kedge notify test --json`. */
export const notifyTestSchema = z.strictObject({
  /** True when every receiver took it. */
  ok: z.boolean(),
  receivers: z.array(
    z.strictObject({
      receiver: z.string(),
      /** What it answered, in one line, which may be empty; null where it did not take it. */
      answer: z.string().nullable(),
      problem: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
    }),
  ),
});
export type NotifyTest = z.infer<typeof notifyTestSchema>;

/** The document of `kedge restore --dry-run --json`. */
export const restorePlanSchema = z.strictObject({
  site: siteUriSchema,
  backup: backupIdSchema,
  dryRun: z.literal(true),
  steps: z.array(
    z.strictObject({
      step: z.string(),
      /** Bytes it will move, as far as can be told. */
      bytes: z.int().nonnegative().nullable(),
      expectedMs: z.int().nonnegative(),
      /** `tasks`: from what earlier tasks took. `rough`: from a rate taken for granted. */
      basis: z.enum(['tasks', 'rough']),
    }),
  ),
  /** Hooks of the site that run on the way; what they take is not known. */
  hooks: z.array(z.string()),
  /** Bytes the restore writes, by place. */
  space: z.array(z.strictObject({ place: z.string(), path: z.string(), bytes: z.int().nonnegative() })),
  expectedMs: z.int().nonnegative(),
  expectedDowntimeMs: z.int().nonnegative(),
  warnings: z.array(z.string()),
});
export type RestorePlan = z.infer<typeof restorePlanSchema>;

/** The document of `kedge completion <shell> --json`. */
export const completionScriptSchema = z.strictObject({ shell: z.string(), script: z.string() });

/** The document of `kedge complete --json`: what may stand at the cursor. */
export const completionSchema = z.strictObject({
  candidates: z.array(z.strictObject({ value: z.string(), description: z.string() })),
  /** Paths of files may stand there too. */
  files: z.boolean(),
});
