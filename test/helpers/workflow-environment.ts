import { readFileSync } from 'node:fs';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES, taskQueueOf } from '../../src/contract/names';
import { installRuntime } from '../../src/temporal/runtime';
import { WORKFLOW_BUNDLE } from '../../src/temporal/workflow-bundle';
import { findTemporalCli } from '../../scripts/lab/temporal';

export const MASTER = 'test';
export const TASK_QUEUE = taskQueueOf(MASTER);
export { WORKFLOW_BUNDLE };

/** A dev server of one's own, with Kedge's search attributes. Always torn down by the test file that started it. */
export async function startWorkflowEnvironment(): Promise<TestWorkflowEnvironment> {
  installRuntime();
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
