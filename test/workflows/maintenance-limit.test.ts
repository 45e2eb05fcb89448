import { readFileSync } from 'node:fs';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import { endRun } from '../../src/temporal/foreign-workflows';
import { FakeActivities, SAFETY_BACKUP_ID, activitiesBySite, preflightWithLimit } from '../helpers/fake-activities';
import { WORKFLOW_BUNDLE, WorkflowLab, withWorker } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

/*
 * Whatever holds a step does not hold the limit of the workflow; and what only looks like a cancel is none.
 */

/** For what a test waits for. */
const PATIENCE_MS = 30_000;

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

const input = { backup: 'example.com-20261124.031502' };
const UNDOS_OF_DEPLOY = ['discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance'];
const UNDOS = new Set<string>(['putVhostBack', 'switchBack', 'discardDatabase', ...UNDOS_OF_DEPLOY]);
const undosIn = (fake: FakeActivities): string[] => fake.done.filter((call) => UNDOS.has(call));

/** Fakes for a site that may be shut for this long; an answer about the limit is waited for as long. */
const withLimit = (ms: number): FakeActivities => new FakeActivities().set('preflight', preflightWithLimit(ms, ms));

/** Fakes for a site whose limit passes when the test says so. */
const inTime = (): FakeActivities =>
  new FakeActivities().set('preflight', preflightWithLimit(100, 60_000)).set('maintenanceTimeLeft', { returns: 100 });
const passLimit = (fake: FakeActivities): void => fake.clear('maintenanceTimeLeft');
const start = (fake: FakeActivities) => lab.start('restore', { ...input, site: lab.siteWith(fake) });

async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  if (!(error instanceof WorkflowFailedError)) throw new Error(`it did not fail: ${JSON.stringify(error)}`);
  return error.cause as ApplicationFailure;
}

async function pause({ workflowId }: WorkflowHandle, type: keyof Activities): Promise<void> {
  const { workflowService } = lab.environment.client;
  await workflowService.pauseActivity({ namespace: 'default', execution: { workflowId }, type, identity: 'test' });
}

describe('a site that is shut past its limit', () => {
  it.concurrent('by a step that somebody paused while it ran: everything is undone', async () => {
    const fake = inTime().set('deploy', { blocks: true });
    const handle = await start(fake);
    await fake.began('deploy');
    await pause(handle, 'deploy');
    await until('the attempt has ended', () => fake.calls.includes('deploy!'), PATIENCE_MS);
    passLimit(fake);
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
    expect(undosIn(fake)).toEqual(UNDOS_OF_DEPLOY);
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'failed', code: 'MaintenanceLimitReached' });
  });

  it.concurrent('by a step that somebody paused between two attempts', async () => {
    const fake = inTime().set('deploy', { fails: 'HostUnreachable' });
    const handle = await start(fake);
    await fake.began('deploy');
    await pause(handle, 'deploy');
    passLimit(fake);
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
    expect(undosIn(fake)).toEqual(UNDOS_OF_DEPLOY);
  });

  it.concurrent('by a step whose attempt is paused in the moment in which the limit ends it', async () => {
    const fake = inTime().set('deploy', { blocks: true, endsWith: 'StepPaused' });
    const handle = await start(fake);
    await fake.began('deploy');
    passLimit(fake);
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
    expect(undosIn(fake)).toEqual(UNDOS_OF_DEPLOY);
  });

  it.concurrent('by one of two steps that run side by side: the other is ended too', async () => {
    const fake = inTime()
      .set('dumpDatabase', { blocks: true })
      .set('syncRemote', { blocks: true, settlesAfterMs: 300 });
    const handle = await start(fake);
    await fake.began('dumpDatabase');
    await fake.began('syncRemote');
    await pause(handle, 'dumpDatabase');
    passLimit(fake);
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
    expect(fake.running).not.toContain('syncRemote');
    expect(undosIn(fake)).toEqual(['discardUnpublished', 'liftFence', 'leaveMaintenance']);
  });

  it.concurrent('by a backup that keeps it quiet', async () => {
    const fake = inTime().set('tarball', { blocks: true });
    const handle = await lab.start('backup', { quiesce: true, site: lab.siteWith(fake) } as never);
    await fake.began('tarball');
    passLimit(fake);
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
    expect(undosIn(fake)).toEqual(['liftFence', 'leaveMaintenance', 'discardUnpublished']);
  });

  it.concurrent('while no worker has room for its step, and nobody says how long it may be', async () => {
    const queue = 'starved';
    const crowded = new FakeActivities().set('preflight', { blocks: true });
    const fake = new FakeActivities()
      .set('preflight', preflightWithLimit(1_000, 1_000))
      .set('maintenanceTimeLeft', { blocks: true })
      .set('deploy', { blocks: true });
    const fakes = new Map([
      ['crowd.example', crowded],
      ['starved.example', fake],
    ]);
    const startOn = (type: string, given: { site: string }): Promise<WorkflowHandle> =>
      lab.environment.client.workflow.start(type, {
        workflowId: `site/${given.site}`,
        taskQueue: queue,
        args: [given],
      });
    const besideCrowd = async (): Promise<void> => {
      const handle = await startOn('restore', { ...input, site: 'starved.example' });
      await fake.began('deploy');
      const crowd = await startOn('backup', { site: 'crowd.example' });
      // The one place is given to somebody else, who keeps it: what takes back has places of its own.
      await pause(handle, 'deploy');
      await crowded.began('preflight');
      expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
      expect(undosIn(fake)).toEqual(UNDOS_OF_DEPLOY);
      expect([...crowded.running]).toEqual(['preflight']);
      await crowd.cancel();
      await crowd.result().catch(() => undefined);
    };
    // The question takes one place, until it is given up.
    await withWorker(lab.environment, activitiesBySite(fakes), besideCrowd, queue, { places: 1 });
  });

  it.concurrent(
    'by a workflow that newer code cannot replay, whose timer never fires: ended from outside, the site is free',
    async () => {
      const fake = withLimit(60_000).set('deploy', { blocks: true });
      const given = { ...input, site: 'replayed.example' };
      const workflowId = `site/${given.site}`;
      const { client } = lab.environment;
      const code = readFileSync(WORKFLOW_BUNDLE, 'utf8');
      const newer = code.replace("task.step('deploy')", "task.step('createDatabase')");
      expect(newer).not.toBe(code);
      const activities = activitiesBySite(new Map([[given.site, fake]]));
      const beside = (bundle: string, work: () => Promise<void>): Promise<void> =>
        withWorker(lab.environment, activities, work, 'replayed', { code: bundle });
      const begin = (): Promise<WorkflowHandle> =>
        client.workflow.start('restore', { workflowId, taskQueue: 'replayed', args: [given] });
      await beside(code, async () => {
        await begin();
        await fake.began('deploy');
      });
      fake.clear('deploy');
      await beside(newer, async () => {
        const stuck = async (): Promise<number> =>
          (await client.workflow.getHandle(workflowId).describe()).raw.pendingWorkflowTask?.attempt ?? 0;
        await until('its code fails again and again', async () => (await stuck()) >= 2, PATIENCE_MS);
        expect(undosIn(fake)).toEqual([]);
        await expect(begin()).rejects.toThrow(/already started/i);
        const { runId } = await client.workflow.getHandle(workflowId).describe();
        expect(await endRun(client, workflowId, runId, 'abandoned')).toBe(true);
        expect(await endRun(client, workflowId, runId, 'abandoned')).toBe(false);
        expect(await (await begin()).result()).toMatchObject({ restored: input.backup });
      });
    },
  );

  it.concurrent('by a commit that cannot be: only forward', async () => {
    const fake = inTime().set('commitSwitch', { fails: 'HostUnreachable' });
    const handle = await start(fake);
    await fake.began('commitSwitch');
    const asked = fake.calls.length;
    passLimit(fake);
    await until('it was told', () => fake.calls.lastIndexOf('maintenanceTimeLeft') >= asked, PATIENCE_MS);
    fake.clear('commitSwitch');
    expect(await handle.result()).toMatchObject({ restored: input.backup });
    expect(undosIn(fake)).toEqual([]);
  });
});

describe('a site that is not shut for too long', () => {
  it.concurrent('although the timer of Temporal says so: the clock of the master counts', async () => {
    const fake = withLimit(300).set('deploy', { blocks: true }).set('maintenanceTimeLeft', { returns: 200 });
    const handle = await start(fake);
    const asked = (): number => fake.calls.filter((call) => call === 'maintenanceTimeLeft.').length;
    await until('it was asked three times', () => asked() >= 3, PATIENCE_MS);
    expect(fake.running).toContain('deploy');
    fake.clear('maintenanceTimeLeft');
    expect(await failureOf(handle)).toMatchObject({ type: 'MaintenanceLimitReached' });
  });

  it.concurrent('for it was shut before: nobody is kept out by the task', async () => {
    const fake = withLimit(200).set('deploy', { blocks: true }).set('maintenanceTimeLeft', { returns: null });
    const handle = await start(fake);
    await fake.began('maintenanceTimeLeft');
    await fake.began('deploy');
    await handle.cancel();
    expect((await failureOf(handle)).name).toBe('CancelledFailure');
    expect(fake.calls.filter((call) => call === 'maintenanceTimeLeft')).toHaveLength(1);
  });

  it.concurrent('a step that was paused begins again when it is unpaused, and nothing was undone', async () => {
    const fake = withLimit(60_000).set('deploy', { blocks: true });
    const handle = await start(fake);
    await fake.began('deploy');
    await pause(handle, 'deploy');
    await until('the attempt has ended', () => fake.calls.includes('deploy!'), PATIENCE_MS);
    fake.clear('deploy');
    const { workflowId } = handle;
    await lab.environment.client.workflowService.unpauseActivity({
      namespace: 'default',
      execution: { workflowId },
      type: 'deploy',
      identity: 'test',
    });
    expect(await handle.result()).toMatchObject({ restored: input.backup, safetyBackup: SAFETY_BACKUP_ID });
    expect(undosIn(fake)).toEqual([]);
  });
});

describe('a task that somebody cancels', () => {
  it.concurrent('was cancelled, whatever the attempt failed with that was to hear of it', async () => {
    const fake = withLimit(60_000).set('deploy', { blocks: true, endsWith: 'ProgramFailed' });
    const handle = await start(fake);
    await fake.began('deploy');
    await handle.cancel();
    expect((await failureOf(handle)).name).toBe('CancelledFailure');
    expect(undosIn(fake)).toEqual(UNDOS_OF_DEPLOY);
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'cancelled', code: 'Cancelled' });
  });

  it.concurrent('was cancelled, also when its attempt died before it heard', async () => {
    const fake = withLimit(60_000).set('deploy', { dies: true });
    const handle = await start(fake);
    await fake.began('deploy');
    await handle.cancel();
    // Its heartbeats end; the workflow hears of a timeout, not of a cancellation.
    expect((await failureOf(handle)).name).toBe('CancelledFailure');
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'cancelled' });
  });

  it.concurrent('behind the commit point is done, and says so', async () => {
    const fake = withLimit(60_000).set('endMaintenance', { fails: 'HostUnreachable' });
    const handle = await start(fake);
    await fake.began('endMaintenance');
    await handle.cancel();
    fake.clear('endMaintenance');
    expect(await handle.result()).toMatchObject({ restored: input.backup });
  });
});
