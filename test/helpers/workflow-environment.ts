import { readFileSync } from 'node:fs';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES, taskQueueOf } from '../../src/contract/names';
import { tuningOptions } from '../../src/temporal/dev-server';
import { installRuntime } from '../../src/temporal/runtime';
import { WORKFLOW_BUNDLE } from '../../src/temporal/workflow-bundle';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { type FakeActivities, activitiesBySite } from './fake-activities';

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
      extraArgs: [...attributes, ...tuningOptions()],
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

/** A dev server and one worker for all tests of a file. Each test takes sites of its own, so that they run side by side. */
export class WorkflowLab {
  private stopWorker = (): void => undefined;
  private worked: Promise<void> = Promise.resolve();
  private sites = 0;

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    private readonly fakes: Map<string, FakeActivities>,
  ) {}

  static async start(): Promise<WorkflowLab> {
    const fakes = new Map<string, FakeActivities>();
    const lab = new WorkflowLab(await startWorkflowEnvironment(), fakes);
    const stopped = new Promise<void>((resolve) => (lab.stopWorker = resolve));
    lab.worked = withWorker(lab.environment, activitiesBySite(fakes), () => stopped);
    return lab;
  }

  /** A site nobody else has; its tasks call these fakes. */
  siteWith(fake: FakeActivities): string {
    this.sites += 1;
    const site = `site${this.sites}.example`;
    this.fakes.set(site, fake);
    return site;
  }

  /** Starts a workflow the way an operator would, without a turn. */
  async start(type: string, input: { site: string }): Promise<WorkflowHandle> {
    return this.environment.client.workflow.start(type, {
      workflowId: `site/${input.site}`,
      taskQueue: TASK_QUEUE,
      args: [input],
    });
  }

  async stop(): Promise<void> {
    this.stopWorker();
    await this.worked;
    await this.environment.teardown();
  }
}
