import type { WorkerDeploymentVersion } from '@temporalio/common';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { promptQueueOf } from '../contract/names';
import { versioningOptions } from './worker-version';

/** Steps that end within it are not handed over. */
const SHUTDOWN_GRACE = '2 seconds';
/** A step that does not stop by then is given up: another worker takes it over by its missing heartbeats. */
const SHUTDOWN_LIMIT = '30 seconds';

/** How many steps that work run at one time: of those which load a machine leases let fewer. */
const WORKING = 100;
/** How many that take back, end, read or ask: many of them wait, for a lock or for lines of a log. */
const PROMPT = 500;

export interface TaskWorkersOptions extends Required<
  Pick<WorkerOptions, 'connection' | 'namespace' | 'taskQueue' | 'workflowBundle' | 'activities' | 'identity'>
> {
  interceptors: NonNullable<WorkerOptions['interceptors']>;
  /** By which Temporal is to know both; null for none. */
  version: WorkerDeploymentVersion | null;
  /** How many activities run at one time on each of the two queues. */
  places?: number;
}

/**
 * The workers of a process: one for workflows and for activities that work, another for those that never wait for heavy ones (see
 * `promptQueueOf`). They begin and end together.
 */
export class TaskWorkers {
  private constructor(private readonly workers: readonly Worker[]) {}

  static async create({ places, workflowBundle, version, ...options }: TaskWorkersOptions): Promise<TaskWorkers> {
    const common: WorkerOptions = {
      ...options,
      ...versioningOptions(version),
      // A cancellation is delivered with the answer to a heartbeat: that must not be held back.
      maxHeartbeatThrottleInterval: '1 second',
      defaultHeartbeatThrottleInterval: '1 second',
      shutdownGraceTime: SHUTDOWN_GRACE,
      shutdownForceTime: SHUTDOWN_LIMIT,
    };
    const working = await Worker.create({
      ...common,
      workflowBundle,
      maxCachedWorkflows: 50,
      maxConcurrentActivityTaskExecutions: places ?? WORKING,
    });
    const prompt = await Worker.create({
      ...common,
      taskQueue: promptQueueOf(options.taskQueue),
      maxConcurrentActivityTaskExecutions: places ?? PROMPT,
    });
    return new TaskWorkers([working, prompt]);
  }

  /** Runs until they are shut down. One that fails ends the other, and the error is its own. */
  async run(): Promise<void> {
    let failed: { readonly error: unknown } | null = null;
    await Promise.all(
      this.workers.map((worker) =>
        worker
          .run()
          .catch((error: unknown) => void (failed ??= { error }))
          .finally(() => this.shutDown()),
      ),
    );
    if (failed !== null) throw (failed as { readonly error: unknown }).error;
  }

  /** Steps that do not end soon are handed over. */
  shutDown(): void {
    for (const worker of this.workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  }
}
