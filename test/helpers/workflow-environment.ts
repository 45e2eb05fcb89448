import { readFileSync } from 'node:fs';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES, promptQueueOf, siteWorkflowId, taskQueueOf } from '../../src/contract/names';
import type { Activities } from '../../src/activities';
import { outcomeOf } from '../../src/temporal/outcome';
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

/**
 * Runs `work` beside a worker with these activities, on the built workflow bundle or on `code`. `places`: how many activities run at
 * one time on each of its two queues.
 */
export async function withWorker<T>(
  environment: TestWorkflowEnvironment,
  activities: object,
  work: () => Promise<T>,
  taskQueue = TASK_QUEUE,
  { places = 100, code = readFileSync(WORKFLOW_BUNDLE, 'utf8') } = {},
): Promise<T> {
  const common = {
    connection: environment.nativeConnection,
    namespace: environment.namespace ?? 'default',
    activities,
    maxHeartbeatThrottleInterval: '100 milliseconds',
    defaultHeartbeatThrottleInterval: '100 milliseconds',
    shutdownGraceTime: '2 seconds',
    identity: 'test',
    maxConcurrentActivityTaskExecutions: places,
  } as const;
  const working = await Worker.create({
    ...common,
    taskQueue,
    workflowBundle: { code },
  });
  if (Object.keys(activities).length === 0) return working.runUntil(work);
  const prompt = await Worker.create({ ...common, taskQueue: promptQueueOf(taskQueue) });
  return prompt.runUntil(() => working.runUntil(work));
}

/** The activity that asks Temporal how a task has ended, without journals. */
export function findingOutcomes(client: Client): Activities['findOutcome'] {
  return async ({ site, task, runId }) => {
    const newest = await client.workflow.getHandle(siteWorkflowId(site)).describe();
    const run = runId ?? (newest.memo?.['task'] === task ? newest.runId : null);
    return run === null ? null : outcomeOf(client, site, run);
  };
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
    const { client } = lab.environment;
    const activities = { ...activitiesBySite(fakes), findOutcome: findingOutcomes(client) };
    lab.worked = withWorker(lab.environment, activities, () => stopped);
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
