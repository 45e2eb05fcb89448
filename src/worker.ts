import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { createActivities } from './activities';
import type { ActivityDependencies } from './activities/dependencies';
import { FailureInterceptor } from './activities/failures';
import { createDependencies } from './composition';
import type { Configuration } from './config/schema';
import { taskQueueOf } from './contract/names';
import { connectClient } from './temporal/connection';
import { recoverOpenTasks } from './temporal/recovery';
import { installRuntime } from './temporal/runtime';
import { checkSearchAttributes } from './temporal/search-attributes';
import { connectWorker } from './temporal/worker-connection';
import { WORKFLOW_BUNDLE } from './temporal/workflow-bundle';

export interface WorkerOptions {
  configuration: Configuration;
  /** Read again at each preflight. */
  configurationPath: string;
  environment: Record<string, string | undefined>;
  /** Called when the worker takes tasks. */
  onReady?: () => void;
  /** Ends the worker: running steps are handed over within `SHUTDOWN_GRACE`. */
  signal: AbortSignal;
  /** Tests put faults around the parts. */
  decorate?: (dependencies: ActivityDependencies) => ActivityDependencies;
}

const SHUTDOWN_GRACE = '10 seconds';

/** Runs the worker of a master until it is told to stop. @throws KedgeError TemporalUnreachable, ConfigurationInvalid */
export async function runWorker(options: WorkerOptions): Promise<void> {
  installRuntime();
  const client: Client = await connectClient(options.environment);
  const { connection, namespace } = await connectWorker(options.environment);
  await checkSearchAttributes(client.connection, namespace);
  const dependencies = createDependencies(options, client);
  const taskQueue = taskQueueOf(options.configuration.master);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: { code: await readFile(WORKFLOW_BUNDLE, 'utf8') },
    activities: createActivities(options.decorate?.(dependencies) ?? dependencies),
    interceptors: { activity: [() => ({ inbound: new FailureInterceptor((value) => dependencies.redact(value)) })] },
    // A cancellation is delivered with the answer to a heartbeat: that must not be held back.
    maxHeartbeatThrottleInterval: '1 second',
    defaultHeartbeatThrottleInterval: '1 second',
    shutdownGraceTime: SHUTDOWN_GRACE,
    maxCachedWorkflows: 50,
  });
  options.signal.addEventListener('abort', () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  try {
    const running = worker.run();
    await recoverOpenTasks(client, taskQueue, dependencies.journals);
    options.onReady?.();
    if (options.signal.aborted) worker.shutdown();
    await running;
  } finally {
    await dependencies.close();
    await client.connection.close();
    await connection.close();
  }
}
