import { z } from 'zod';
import type { WORKFLOW_TYPES } from './names';
import { backupIdSchema } from './backup-record';
import { siteUriSchema } from './target';

/** Inputs and results of the workflows: the public, versioned surface for services. */

const description = z
  .string()
  .max(1000)
  .refine((text) => !/[\0-\x08\x0b-\x1f\x7f]/.test(text), 'text without control characters');

/**
 * What vouches for a request. `docs/signed-requests.md` says what is signed and how; `signRequest` makes one.
 */
const requestSignatureSchema = z.strictObject({
  /** A number used once: it makes each signed request one task, or none. */
  nonce: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, '16 to 64 letters, digits, dashes and underscores'),
  /** Submitted later than this it is refused. */
  expires: z.iso.datetime(),
  /** Whether a turn that was accepted in time may begin later. */
  waitTurn: z.boolean(),
  /** HMAC-SHA256, in hexadecimal digits. */
  hmac: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
});
export type RequestSignature = z.infer<typeof requestSignatureSchema>;

/** Fields that every task input has. */
const taskInput = {
  site: siteUriSchema,
  /** Id of the task; `turns` gives it. A task started directly makes its own. */
  task: z.string().max(300).optional(),
  /** Who asked, for records and for those who find the site busy. */
  who: z.string().max(200).optional(),
  /** Makes a repeated submit the same task. */
  requestKey: z.string().min(1).max(200).optional(),
  /** Who may ask. */
  signature: requestSignatureSchema.optional(),
};

export const compressionSchema = z.enum(['zstd', 'gzip']);
export type Compression = z.infer<typeof compressionSchema>;

export const backupInputSchema = z.strictObject({
  ...taskInput,
  description: description.optional(),
  /** Put the site into maintenance and fence its writes while the backup is made. */
  quiesce: z.boolean().optional(),
  compression: compressionSchema.optional(),
});
export type BackupInput = z.infer<typeof backupInputSchema>;

export const restoreInputSchema = z.strictObject({
  ...taskInput,
  /** Id of the backup to go back to. */
  backup: backupIdSchema,
  /** Go on although the account is shared and cannot be fenced. */
  noFence: z.boolean().optional(),
  /** Go on although files besides the settings hold the login, which changes: a warning names them. */
  leaveLogins: z.boolean().optional(),
  /** Let question marks take the place of bytes that are no letters of their column's character set: no server takes those. */
  replaceText: z.boolean().optional(),
});
export type RestoreInput = z.infer<typeof restoreInputSchema>;

export const deployInputSchema = z.strictObject({
  ...taskInput,
  /** Absolute path of an archive on the master. */
  archive: z
    .string()
    .max(4096)
    .regex(/^\/[^\0]+$/, 'an absolute path'),
  /** Let question marks take the place of bytes that are no letters of their column's character set: no server takes those. */
  replaceText: z.boolean().optional(),
});
export type DeployInput = z.infer<typeof deployInputSchema>;

const verifyInputSchema = z.strictObject(taskInput);
export type VerifyInput = z.infer<typeof verifyInputSchema>;

/** What each type of task is given. */
export const TASK_INPUT_SCHEMAS = {
  backup: backupInputSchema,
  restore: restoreInputSchema,
  deploy: deployInputSchema,
  verify: verifyInputSchema,
};

const backupSummarySchema = z.strictObject({
  id: backupIdSchema,
  path: z.string(),
  bytes: z.int(),
  sha256: z.string(),
  created: z.string(),
  description: z.string(),
  /** A restore made it, of the state it was to replace. Absent where an older worker answered. */
  safety: z.boolean().optional(),
  /** True where the server did not take its definitions back when it was made. */
  unproven: z.boolean().optional(),
});
export type BackupSummary = z.infer<typeof backupSummarySchema>;

const taskResult = { task: z.string(), site: siteUriSchema, warnings: z.array(z.string()), durationMs: z.int() };

export const backupResultSchema = z.strictObject({ ...taskResult, backup: backupSummarySchema });
export type BackupResult = z.infer<typeof backupResultSchema>;

export const restoreResultSchema = z.strictObject({
  ...taskResult,
  restored: backupIdSchema,
  safetyBackup: backupIdSchema,
  /** From the maintenance page being seen to its being gone, ms. */
  downtimeMs: z.int(),
  /** What was kept of a database and account that Kedge had not made, and what is locked: a sentence each. */
  kept: z.array(z.string()).optional(),
  /** Logins of people that are valid again with the database of before: a sentence each. */
  logins: z.array(z.string()).optional(),
});
export type RestoreResult = z.infer<typeof restoreResultSchema>;

export const deployResultSchema = z.strictObject({
  ...taskResult,
  /** Id of the backup the archive is of. */
  deployed: backupIdSchema,
  /** Logins of people that are valid with the database of the archive: a sentence each. */
  logins: z.array(z.string()).optional(),
});
export type DeployResult = z.infer<typeof deployResultSchema>;

export const verifyResultSchema = z.strictObject({ ...taskResult, status: z.int() });
export type VerifyResult = z.infer<typeof verifyResultSchema>;

/** Why and whether a task failed, in the details of its failure. */
export const taskFailureSchema = z.object({
  hint: z.string().optional(),
  site: z.string().optional(),
  server: z.string().optional(),
  /** What state the site is in now. */
  state: z.string().optional(),
  safetyBackup: z.string().optional(),
});
export type TaskFailureDetails = z.infer<typeof taskFailureSchema>;

/**
 * Where a task stands, as the query `status` of its workflow answers. Which attempt of a step runs, and how many bytes it has moved,
 * Temporal itself knows: they are in the pending activities of a description.
 */
export const runStatusSchema = z.strictObject({
  task: z.string(),
  site: siteUriSchema,
  /** What runs or waits for its next attempt: steps, or an undo. Empty once the task has ended. */
  steps: z.array(z.strictObject({ name: z.string(), since: z.iso.datetime() })),
  /** Since when visitors see the maintenance page of this task; null where they do not. */
  maintenanceSince: z.iso.datetime().nullable(),
  /** The step that needs somebody's hand; null without one. */
  attention: z.string().nullable(),
});
export type RunStatus = z.infer<typeof runStatusSchema>;

/** What `submit` is asked. */
export interface SubmitRequest {
  type: (typeof WORKFLOW_TYPES)[number];
  input: BackupInput | RestoreInput | DeployInput | VerifyInput;
  /** Keep the turn until the site is free, instead of answering that it is busy. */
  waitTurn: boolean;
}

/** What `submit` answers: the task has its turn, or keeps its place. */
export interface Ticket {
  task: string;
  workflowId: string;
  /** True when the task waits behind another one. */
  waiting: boolean;
  /** No worker has seen it: it waits until one comes. */
  noWorker?: true;
}

/** A request that waits until a worker comes. */
export interface KeptRequest {
  request: SubmitRequest;
  /** The id the task is to have. */
  task: string;
  /** The submit that nobody answered, and that this stands for. */
  updateId: string;
}

/** What the workflow `request` is given, under any ID. */
export const requestInputSchema = z.discriminatedUnion('type', [
  requestOf('backup', backupInputSchema),
  requestOf('restore', restoreInputSchema),
  requestOf('deploy', deployInputSchema),
  requestOf('verify', verifyInputSchema),
]);
export type RequestInput = z.infer<typeof requestInputSchema>;

function requestOf<Type extends (typeof WORKFLOW_TYPES)[number], Input extends z.ZodType>(type: Type, input: Input) {
  return z.strictObject({
    type: z.literal(type),
    input,
    /** Wait for a busy site, or fail with SiteBusy. Default: wait. */
    waitTurn: z.boolean().optional(),
  });
}

/** A workflow that has asked for a task, and is told what becomes of it. */
export interface Requester {
  workflowId: string;
  runId: string;
}

/** What a workflow asks the queue of a site. */
export interface AskedTask {
  request: SubmitRequest;
  requester: Requester;
}

/** What it is answered: a ticket, or why there is none. */
export type Answer = { ticket: Ticket } | { refused: Refusal };

/** A failure of a task, or of a request for one, as data. */
export interface Refusal {
  code: string;
  message: string;
  details: TaskFailureDetails;
}

/** What it is told when its task has ended. */
export interface EndedTask {
  task: string;
  /** Of the task's workflow; null where it is not known. */
  runId: string | null;
  /** It gave its turn up. */
  neverBegan?: true;
}

/** How a task has ended. */
export type TaskOutcome = { done: unknown } | { failed: Refusal };

/** Who holds a site, in the details of a SiteBusy failure. */
const busySchema = z.object({ task: z.string(), type: z.string(), who: z.string(), since: z.string() });
export type Busy = z.infer<typeof busySchema>;

/** How the workflow run of a task stands in Temporal. */
export type RunState = 'running' | 'closed' | 'unknown';

/** Details of a heartbeat: a hint for those who watch. */
export const progressSchema = z.object({
  bytes: z.number().optional(),
  totalBytes: z.number().optional(),
  note: z.string().optional(),
});
export type Progress = z.infer<typeof progressSchema>;

export const listBackupsInputSchema = z.strictObject({
  site: siteUriSchema,
  /** Entries left out from the newest on. */
  offset: z.int().nonnegative().optional(),
  limit: z.int().min(1).max(500).optional(),
});
export type ListBackupsInput = z.infer<typeof listBackupsInputSchema>;
/** A page may be shorter than was asked for: the next one begins at `offset` and as many as it has. */
export const listBackupsResultSchema = z.strictObject({ total: z.int(), backups: z.array(backupSummarySchema) });
export type ListBackupsResult = z.infer<typeof listBackupsResultSchema>;
