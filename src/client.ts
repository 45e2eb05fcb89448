import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { KedgeError } from './contract/errors';
import type { BackupAllInput } from './contract/fleet';
import { isTaskIdOf, siteWorkflowId, taskQueueOf } from './contract/names';
import { describeIssues } from './contract/schema-issues';
import {
  type BackupInput,
  type BackupResult,
  type DeployInput,
  type DeployResult,
  type ListBackupsInput,
  type ListBackupsResult,
  type RestoreInput,
  type RestoreResult,
  type SubmitRequest,
  type VerifyInput,
  type VerifyResult,
  TASK_INPUT_SCHEMAS,
  backupResultSchema,
  deployResultSchema,
  listBackupsResultSchema,
  restoreResultSchema,
  verifyResultSchema,
} from './contract/tasks';
import { type BackupAllRun, startBackupAll } from './temporal/backup-all';
import { signRequest } from './temporal/sign-request';
import { type SigningKey, signingKeyOf } from './temporal/signing-key';
import { connectClient } from './temporal/connection';
import { kedgeErrorOf } from './temporal/failures';
import { submit } from './temporal/submit';
import { TaskHandle } from './temporal/task-handle';

export { ERROR_CODES, type ErrorCode } from './contract/error-codes';
export { KedgeError } from './contract/errors';
export type { BackupAllInput, BackupAllResult, Selection } from './contract/fleet';
export type { StepPause } from './contract/step-pause';
export type {
  BackupInput,
  BackupResult,
  BackupSummary,
  DeployInput,
  DeployResult,
  ListBackupsResult,
  RequestSignature,
  RestoreInput,
  RestoreResult,
  VerifyInput,
  VerifyResult,
} from './contract/tasks';
export type { BackupAllRun } from './temporal/backup-all';
export { signRequest, type SigningOptions } from './temporal/sign-request';
export type { SigningKey } from './temporal/signing-key';
export { TaskFailedError } from './temporal/failures';
export { TaskHandle, type RunningStep, type TaskStatus } from './temporal/task-handle';

/** How a task is asked for. */
export interface SubmitOptions {
  /** Wait for the site to be free, instead of failing with SiteBusy. */
  waitTurn?: boolean;
  /** How long to wait for a worker to answer, ms. Default 20,000; where a worker lives that does not answer, three times as long. */
  timeoutMs?: number;
  /** When no worker answers, leave the request to the next one that comes (`ticket.noWorker`), instead of withdrawing it. */
  keepWithoutWorker?: boolean;
}

export interface ClientOptions {
  /**
   * The signing key of the master: tasks are signed with it. Masters whose configuration has one demand that for what destroys,
   * a restore and a deploy.
   */
  signingKey?: SigningKey;
}

/** Kedge for services: starts tasks, awaits, cancels and lists, from anywhere that reaches Temporal. */
export class KedgeClient {
  private readonly taskQueue: string;

  /** `master`: the name of the master in its configuration. */
  constructor(
    readonly temporal: Client,
    private readonly master: string,
    private readonly options: ClientOptions = {},
  ) {
    this.taskQueue = taskQueueOf(master);
  }

  /**
   * Connects by Temporal's own environment variables and profiles. Without a `signingKey` it is read from the file that
   * KEDGE_SIGNING_KEY_FILE names, where it does. @throws KedgeError TemporalUnreachable, SecretUnavailable
   */
  static async connect(
    master: string,
    environment: Record<string, string | undefined> = process.env,
    options: ClientOptions = {},
  ): Promise<KedgeClient> {
    const signingKey = options.signingKey ?? (await signingKeyOf(environment));
    return new KedgeClient(await connectClient(environment), master, signingKey === null ? {} : { signingKey });
  }

  /** Backs a site up. */
  backup(input: BackupInput, options?: SubmitOptions): Promise<TaskHandle<BackupResult>> {
    return this.start('backup', input, options, backupResultSchema);
  }

  /**
   * Backs up many sites, those of a selection or all: as many at one time as the limits of the master allow, past those that fail. A site that
   * is busy has its turn later. @throws KedgeError InputInvalid, NoWorker, TemporalUnreachable
   */
  backupAll(input: BackupAllInput, options: Omit<SubmitOptions, 'waitTurn'> = {}): Promise<BackupAllRun> {
    return startBackupAll(this.temporal, this.taskQueue, input, {
      timeoutMs: options.timeoutMs ?? 20_000,
      keep: options.keepWithoutWorker ?? false,
    });
  }

  /** Brings a site back to a backup; the state it is in is backed up first. */
  restore(input: RestoreInput, options?: SubmitOptions): Promise<TaskHandle<RestoreResult>> {
    return this.start('restore', input, options, restoreResultSchema);
  }

  /** Makes a new site of an archive that lies on the master. */
  deploy(input: DeployInput, options?: SubmitOptions): Promise<TaskHandle<DeployResult>> {
    return this.start('deploy', input, options, deployResultSchema);
  }

  /** Looks whether a site is right: settings, login, vhost, and a page of it. */
  verify(input: VerifyInput, options?: SubmitOptions): Promise<TaskHandle<VerifyResult>> {
    return this.start('verify', input, options, verifyResultSchema);
  }

  /** A task that was submitted before, by its id; its result is not decoded. */
  task(site: string, task: string): TaskHandle<unknown> {
    const ticket = { task, workflowId: siteWorkflowId(site), waiting: false };
    return new TaskHandle(this.temporal, this.taskQueue, site, ticket, z.unknown());
  }

  /** A page of the catalogue, newest first. */
  async listBackups(input: ListBackupsInput): Promise<ListBackupsResult> {
    try {
      const page = await this.temporal.workflow.execute<(input: ListBackupsInput) => Promise<unknown>>('listBackups', {
        workflowId: `list-backups/${input.site}/${Date.now()}`,
        taskQueue: this.taskQueue,
        args: [input],
        workflowRunTimeout: '1 minute',
      });
      return listBackupsResultSchema.parse(page);
    } catch (error) {
      throw kedgeErrorOf(error, input.site);
    }
  }

  async close(): Promise<void> {
    await this.temporal.connection.close();
  }

  /** @throws KedgeError InputInvalid, SiteBusy, NoWorker, TemporalUnreachable; what vouching for it throws */
  private async start<Result>(
    type: SubmitRequest['type'],
    input: SubmitRequest['input'],
    options: SubmitOptions = {},
    schema: z.ZodType<Result>,
  ): Promise<TaskHandle<Result>> {
    const decoded = TASK_INPUT_SCHEMAS[type].safeParse(input);
    if (!decoded.success)
      throw new KedgeError('InputInvalid', `the input of a ${type} is not valid: ${describeIssues(decoded.error)}`, {
        state: 'the site is unchanged',
      });
    const ticket = await submit(
      this.temporal,
      this.taskQueue,
      { type, input: await this.signed(type, input, options), waitTurn: options.waitTurn ?? false },
      { timeoutMs: options.timeoutMs ?? 20_000, keep: options.keepWithoutWorker ?? false },
    );
    if (isTaskIdOf(ticket.task, input.site, type))
      return new TaskHandle(this.temporal, this.taskQueue, input.site, ticket, schema);
    throw new KedgeError('InputInvalid', `this request key belongs to ${ticket.task} already, which is no ${type}`, {
      site: input.site,
      hint: 'Use another request key.',
    });
  }

  /** The input with a signature, unless it has one already, or there is no key. */
  private async signed(
    type: SubmitRequest['type'],
    input: SubmitRequest['input'],
    { waitTurn = false, keepWithoutWorker = false }: SubmitOptions,
  ): Promise<SubmitRequest['input']> {
    const { signingKey } = this.options;
    const key = typeof signingKey === 'function' ? await signingKey(type) : signingKey;
    if (key === undefined || key === null || input.signature !== undefined) return input;
    const validity = keepWithoutWorker ? { validForMs: A_DAY_MS } : {};
    return signRequest(type, input, { master: this.master, key, waitTurn, ...validity });
  }
}

/** For requests that are left to whichever worker comes. */
const A_DAY_MS = 24 * 3_600_000;
