import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { type Activities, createActivities } from '../../src/activities';
import { Attempts } from '../../src/activities/attempts';
import { type MasterParts, createParts } from '../../src/composition';
import { loadConfiguration } from '../../src/config/load';
import type { TaskType } from '../../src/contract/names';
import type { Busy, TaskOutcome } from '../../src/contract/tasks';
import type { Journal } from '../../src/core/tasks/journal';
import type { Run } from './activity-lab';
import { makeConfiguredFolder } from './configured-folder';
import { targetIn } from './target';

export const SITE = 'gazette.example';

/**
 * A master with its folders and without servers, for activities that need none: they run over real parts, and without Temporal. A test
 * says which runs live.
 */
export class BareMaster {
  /** Ids of the runs that Temporal would say are open. */
  readonly running = new Set<string>();
  /** What Temporal would say of the workflow IDs it knows. */
  readonly holders = new Map<string, Busy>();
  /** How the runs have ended that Temporal knows. */
  readonly outcomes = new Map<string, TaskOutcome>();
  /** Closed tasks that were handed to the sweeper. */
  readonly swept: string[] = [];
  private readonly activities: Activities;

  private constructor(
    readonly folder: string,
    readonly parts: MasterParts,
  ) {
    this.activities = createActivities({
      ...parts,
      attempts: new Attempts(),
      afterTask: (task) => void this.swept.push(task),
      runStateOf: async (_workflowId, runId) => (this.running.has(runId) ? 'running' : 'closed'),
      outcomeOf: async (_site, runId) => this.outcomes.get(runId) ?? null,
      whoRuns: async (workflowId) => this.holders.get(workflowId) ?? null,
      pauseOf: async () => null,
      attentionAfterMs: 1000,
    });
  }

  static async start(): Promise<BareMaster> {
    const { folder } = await makeConfiguredFolder();
    const configurationPath = join(folder, 'kedge.yaml');
    const configuration = await loadConfiguration(configurationPath);
    return new BareMaster(folder, createParts({ configuration, configurationPath, environment: process.env }));
  }

  async stop(): Promise<void> {
    await this.parts.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Begins a task submitted at a time such as `031502`; its run lives. */
  async begin(
    time: string,
    type: TaskType,
    changes: Partial<Journal> = {},
    site = SITE,
  ): Promise<{ task: string; run: Run }> {
    const task = `${site}-20261124.${time}-${type}`;
    const run = { workflowId: `site/${site}`, runId: `run-${time}` };
    this.running.add(run.runId);
    const accepted = { quiesce: false, noFence: false, compression: 'zstd' } as const;
    const { requestKey = null } = changes;
    await this.parts.journals.begin({
      ...{ task, site, type, who: 'anna', description: null, requestKey, epoch: 0, accepted, ...run },
    });
    await this.parts.journals.recordUndo(task, { target: targetIn(this.folder, { site: { uri: site } }), ...changes });
    return { task, run };
  }

  /** Calls an activity as a run does, at the given attempt. */
  call(run: Run, name: keyof Activities, args: readonly unknown[], attempt = 1): Promise<unknown> {
    const environment = new MockActivityEnvironment(
      { activityType: name, attempt, workflowExecution: run },
      { logger: new DefaultLogger('ERROR', () => undefined) },
    );
    return environment.run(this.activities[name] as (...all: unknown[]) => Promise<unknown>, ...args);
  }

  /** What a task said, a line each. */
  logOf(task: string): string[] {
    const text = readFileSync(join(this.folder, 'state/tasks', `${task}.ndjson`), 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { message: string }).message);
  }
}
