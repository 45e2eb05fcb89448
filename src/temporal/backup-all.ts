import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  type BackupAllInput,
  type BackupAllResult,
  backupAllInputSchema,
  backupAllResultSchema,
} from '../contract/fleet';
import { KedgeError } from '../contract/errors';
import { timeStamp } from '../contract/names';
import { describeIssues } from '../contract/schema-issues';
import { kedgeErrorOf } from './failures';
import { workerPolls } from './pollers';

/** The workflow that backs up many sites. */
export const BACKUP_ALL = 'backupAll';

/** How a run that backs up many sites is started. */
export interface StartPatience {
  /** How long a worker is waited for, ms; where one lives and does not answer, three times as long. */
  readonly timeoutMs: number;
  /** Leave the run to whichever worker comes. */
  readonly keep: boolean;
}

/**
 * Starts backups of many sites. When no worker takes the run it is ended, or left to the one that comes.
 * @throws KedgeError InputInvalid, NoWorker, TemporalUnreachable
 */
export async function startBackupAll(
  client: Client,
  taskQueue: string,
  input: BackupAllInput,
  patience: StartPatience,
): Promise<BackupAllRun> {
  const decoded = backupAllInputSchema.safeParse(input);
  if (!decoded.success)
    throw new KedgeError('InputInvalid', `the backups are asked for wrongly: ${describeIssues(decoded.error)}`, {
      state: 'no site was touched',
    });
  try {
    const { workflowId, firstExecutionRunId } = await start(client, taskQueue, decoded.data);
    const run = new BackupAllRun(client, workflowId, firstExecutionRunId);
    if (!patience.keep) await run.taken(taskQueue, patience.timeoutMs);
    return run;
  } catch (error) {
    throw kedgeErrorOf(error, null);
  }
}

/** Others may begin in the same second. */
async function start(
  client: Client,
  taskQueue: string,
  input: BackupAllInput,
): Promise<{ workflowId: string; firstExecutionRunId: string }> {
  const workflowId = `backup-all/${timeStamp(new Date())}`;
  const startAs = (id: string) =>
    client.workflow.start(BACKUP_ALL, {
      workflowId: id,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      staticSummary: 'Back up many sites',
    });
  return startAs(workflowId).catch((error: unknown) => {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return startAs(`${workflowId}_${randomInt(100_000, 1_000_000)}`);
  });
}

/**
 * Asks a run that backs up many sites to stop, whoever began it; returns at once. @throws KedgeError TaskUnknown for what is none of this
 * queue, or has ended; TemporalUnreachable
 */
export async function cancelBackupAll(client: Client, taskQueue: string, workflowId: string): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const { type, taskQueue: queue, status } = await handle.describe();
    if (type !== BACKUP_ALL || queue !== taskQueue)
      throw new KedgeError('TaskUnknown', `${workflowId} does not back up sites of this master`);
    if (status.name !== 'RUNNING') throw new KedgeError('TaskUnknown', `${workflowId} has ended`);
    await handle.cancel();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw new KedgeError('TaskUnknown', `there is no ${workflowId}`);
    throw kedgeErrorOf(error, null);
  }
}

/** Backups of many sites that were begun by one call. */
export class BackupAllRun {
  constructor(
    private readonly client: Client,
    /** Newer runs of it go on where one stopped, under the same ID. */
    readonly workflowId: string,
    private readonly firstRunId: string,
  ) {}

  /** That of the task of each site: journals are found by it. */
  get requestKey(): string {
    return `backupAll/${this.firstRunId}`;
  }

  /**
   * Waits until all sites had their turn. Sites that failed are in the result. `signal` ends the waiting, not the run.
   * @throws KedgeError with the code of what kept all of them from being backed up; Cancelled
   */
  async result(signal: AbortSignal = new AbortController().signal): Promise<BackupAllResult> {
    const waiting = AbortSignal.any([signal]);
    // Each poll of the client leaves a listener until the wait is over.
    setMaxListeners(0, waiting);
    try {
      return backupAllResultSchema.parse(await this.client.withAbortSignal(waiting, () => this.handle().result()));
    } catch (error) {
      throw kedgeErrorOf(error, null);
    }
  }

  /** Asks it to stop: sites that wait are left out, those that are being backed up undo. Returns at once. */
  async cancel(): Promise<void> {
    try {
      await this.handle().cancel();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw kedgeErrorOf(error, null);
    }
  }

  /**
   * Waits for a worker to take it.
   * @throws KedgeError NoWorker when none does, and it is ended
   */
  async taken(taskQueue: string, timeoutMs: number): Promise<void> {
    const handle = this.handle();
    const began = performance.now();
    for (let patienceMs = timeoutMs; ; await delay(POLL_INTERVAL_MS)) {
      const { historyLength, status } = await handle.describe();
      if (historyLength > UNTAKEN_EVENTS || status.name !== 'RUNNING') return;
      if (performance.now() - began < patienceMs) continue;
      if (patienceMs === timeoutMs && (await workerPolls(this.client, this.client.options.namespace, taskQueue))) {
        patienceMs *= PATIENCE_WITH_LIVING_WORKERS;
        continue;
      }
      await handle.terminate('no worker took it');
      throw new KedgeError('NoWorker', `no worker answered on ${taskQueue} within ${Math.round(patienceMs / 1000)} s`, {
        state: 'no site was touched',
      });
    }
  }

  private handle(): WorkflowHandle {
    return this.client.workflow.getHandle(this.workflowId);
  }
}

const POLL_INTERVAL_MS = 250;
/** Started, and handed to the queue. */
const UNTAKEN_EVENTS = 2;
const PATIENCE_WITH_LIVING_WORKERS = 3;
