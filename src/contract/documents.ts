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

/** The document of `kedge backup --json` for many sites. */
export const backupAllReportSchema = z.strictObject({
  workflowId: z.string(),
  /** In the order of their names. */
  sites: z.array(
    z.strictObject({
      site: siteUriSchema,
      outcome: z.enum(['done', 'failed', 'cancelled', 'recovered', 'abandoned']),
      /** Null for a site whose task never began. */
      task: z.string().nullable(),
      backup: backupIdSchema.nullable(),
      bytes: z.int().nonnegative().nullable(),
      durationMs: z.int().nonnegative().nullable(),
      warnings: z.array(z.string()),
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
  /** Sites with a good backup, with warnings or without; those with warnings; and those without a backup. */
  done: z.int().nonnegative(),
  warned: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** Backups that were deleted by the rules of the sites. */
  pruned: z.int().nonnegative(),
  durationMs: z.int().nonnegative(),
});
export type BackupAllReport = z.infer<typeof backupAllReportSchema>;
export type BackedUpSite = BackupAllReport['sites'][number];

/** The document of `kedge schedules --json`. */
export const schedulesListSchema = z.strictObject({
  schedules: z.array(
    z.strictObject({
      name: z.string(),
      cron: z.string(),
      timeZone: z.string(),
      /** Those it means now; none for one that the configuration does not have. */
      sites: z.array(siteUriSchema),
      /** How Temporal has it: as the configuration, otherwise, not at all, or without the configuration having it. */
      inTemporal: z.enum(['applied', 'differs', 'missing', 'left over']),
      /** Why it is paused, or an empty text; null while it is not. */
      paused: z.string().nullable(),
      /** When it runs next. */
      next: z.array(z.iso.datetime()),
      last: z
        .strictObject({
          workflowId: z.string(),
          started: z.iso.datetime(),
          outcome: z.enum(['running', 'done', 'warnings', 'failed', 'cancelled', 'terminated', 'forgotten']),
          /** How many sites have a backup of it, and how many have none; null where Temporal does not say. */
          counts: z.strictObject({ done: z.int(), warned: z.int(), failed: z.int(), pruned: z.int() }).nullable(),
          /** Why all of it failed. */
          error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
        })
        .nullable(),
      /** Runs that did not begin because Temporal was away for too long, and because the run before went on. */
      missed: z.int().nonnegative(),
      skipped: z.int().nonnegative(),
    }),
  ),
});
export type SchedulesList = z.infer<typeof schedulesListSchema>;
export type ListedSchedule = SchedulesList['schedules'][number];

/** The document of `kedge schedules apply --json`. */
export const schedulesChangeSchema = z.strictObject({
  changes: z.array(
    z.strictObject({
      name: z.string(),
      change: z.enum(['new', 'changed', 'gone']),
      fields: z.array(z.strictObject({ field: z.string(), from: z.string(), to: z.string() })),
    }),
  ),
  /** False after `--dry-run`. */
  applied: z.boolean(),
});

const listedServerSchema = z.strictObject({
  server: z.string(),
  /** Null: the master itself. */
  where: z.strictObject({ user: z.string(), host: z.string(), port: z.int() }).nullable(),
  /** Kinds of what it offers: nginx, mariadb. */
  serves: z.array(z.string()),
  reached: z.boolean(),
  /** Of the program there; null where it was not reached. */
  version: z.string().nullable(),
  /** When that program was put there, ISO 8601; null where that is not known. */
  since: z.string().nullable(),
  /** Why it was not reached. */
  problem: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
});
export type ListedServer = z.infer<typeof listedServerSchema>;

/** The document of `kedge servers --json`. */
export const serversSchema = z.strictObject({ servers: z.array(listedServerSchema) });

/** The document of `kedge servers trust --json`. */
export const trustedKeySchema = z.strictObject({
  server: z.string(),
  type: z.string(),
  fingerprint: z.string(),
  knownHosts: z.string(),
  /** False when the key was known before. */
  changed: z.boolean(),
});
