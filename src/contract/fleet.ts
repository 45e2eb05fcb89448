import { z } from 'zod';
import { TOLD } from './payload-bounds';
import { backupInputSchema } from './tasks';
import { siteKindSchema } from './target';

/** Tasks on many sites at once: inputs and results of the workflow `backupAll`, and of the activities behind it. */

const asked = backupInputSchema.shape;

/** Which sites of a master are meant: those for which all of it holds; every site where nothing is said. */
export const selectionSchema = z.strictObject({
  /** Names of sites, with `*` for any characters: one of them fits. */
  sites: z
    .array(z.string().regex(/^[a-z0-9.*-]{1,253}$/, 'a name of a site, with * for any characters'))
    .min(1)
    .max(100)
    .optional(),
  kind: siteKindSchema.optional(),
  /** The web server of the site, by its name in the configuration. */
  server: z.string().max(100).optional(),
});
export type Selection = z.infer<typeof selectionSchema>;

export const backupAllInputSchema = z.strictObject({
  /** Name of a schedule of the configuration, which says all the rest when the run begins. */
  schedule: z.string().max(100).optional(),
  selection: selectionSchema.optional(),
  description: asked.description,
  quiesce: asked.quiesce,
  compression: asked.compression,
  /** Prune each site by the rule of the configuration once its backup is good. */
  prune: z.boolean().optional(),
  who: asked.who,
});
export type BackupAllInput = z.infer<typeof backupAllInputSchema>;

export const backupAllResultSchema = z.strictObject({
  /** Request key of the task of each site: journals are found by it. */
  requestKey: z.string(),
  /** How many sites were meant. */
  sites: z.int(),
  /** Those with a good backup. */
  done: z.int(),
  /** Of those: with warnings, or not pruned. */
  warned: z.int(),
  failed: z.int(),
  /** Backups that were deleted. */
  pruned: z.int(),
  /** The first of those that failed. */
  failures: z.array(z.strictObject({ site: z.string(), code: z.string(), message: z.string() })).max(TOLD),
  durationMs: z.int(),
});
export type BackupAllResult = z.infer<typeof backupAllResultSchema>;

/** What the activity `planBackups` answers: the next sites in order of their names, and how they are to be backed up. */
export interface PlannedBackups {
  readonly sites: readonly string[];
  /** Whether more come behind the last of them. */
  readonly more: boolean;
  readonly backup: Pick<BackupAllInput, 'description' | 'quiesce' | 'compression'>;
  readonly prune: boolean;
  /** How many sites may have their turn asked for at one time. */
  readonly atOnce: number;
}
