import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { createActivities } from './activities';
import type { ActivityDependencies } from './activities/dependencies';
import { FailureInterceptor } from './activities/failures';
import { createDependencies } from './composition';
import type { Configuration } from './config/schema';
import { taskQueueOf } from './contract/names';
import type { Operation } from './core/operation';
import { endOverdueMaintenance } from './core/tasks/watchdog';
import { connectClient } from './temporal/connection';
import { recoverOpenTasks } from './temporal/recovery';
import { temporalAnswers } from './temporal/running';
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
  const watching = watch(dependencies, client);
  try {
    const running = worker.run();
    await recoverOpenTasks(client, taskQueue, dependencies.journals);
    options.onReady?.();
    if (options.signal.aborted) worker.shutdown();
    await running;
  } finally {
    await watching.stop();
    await dependencies.close();
    await client.connection.close();
    await connection.close();
  }
}

const WATCH_INTERVAL_MS = 5_000;

/** Looks now and then after sites whose maintenance nobody ends, with Temporal away. */
function watch(dependencies: ActivityDependencies, client: Client): { stop(): Promise<void> } {
  const stop = new AbortController();
  const operationFor = (task: string): Operation => ({
    signal: stop.signal,
    mark: `watchdog/${task}`,
    progress: () => undefined,
    log: dependencies.logs.of(task, 'watchdog', 1),
  });
  const watching = (async () => {
    while (!stop.signal.aborted) {
      await delay(WATCH_INTERVAL_MS, undefined, { signal: stop.signal, ref: false });
      await endOverdueMaintenance(dependencies, () => temporalAnswers(client), operationFor).catch((error: unknown) => {
        process.emitWarning(`the watchdog failed: ${String(error)}`, 'KedgeWorker');
      });
    }
  })().catch(() => undefined);
  return {
    async stop() {
      stop.abort();
      await watching;
    },
  };
}
