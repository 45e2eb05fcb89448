import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES, taskQueueOf } from '../../src/contract/names';
import { findTemporalCli } from '../../scripts/lab/temporal';

export const MASTER = 'test';
export const TASK_QUEUE = taskQueueOf(MASTER);
export const WORKFLOW_BUNDLE = join(__dirname, '../../dist/workflow-bundle.js');

/** A dev server of one's own, with Kedge's search attributes. Always torn down by the test file that started it. */
export async function startWorkflowEnvironment(): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'off' } } });
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]);
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await findTemporalCli() },
      extraArgs: [...attributes, '--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
      log: { format: 'json', level: 'error' },
    },
  });
}

/** Runs `work` beside a worker with these activities, on the built workflow bundle. */
export async function withWorker<T>(
  environment: TestWorkflowEnvironment,
  activities: object,
  work: () => Promise<T>,
  taskQueue = TASK_QUEUE,
): Promise<T> {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    namespace: environment.namespace ?? 'default',
    taskQueue,
    workflowBundle: { code: readFileSync(WORKFLOW_BUNDLE, 'utf8') },
    activities,
    maxHeartbeatThrottleInterval: '100 milliseconds',
    defaultHeartbeatThrottleInterval: '100 milliseconds',
    shutdownGraceTime: '2 seconds',
    identity: 'test',
  });
  return worker.runUntil(work);
}
