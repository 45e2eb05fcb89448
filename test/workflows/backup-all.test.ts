import { type WorkflowHandleWithStartDetails, WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import type { BackupAllInput, BackupAllResult } from '../../src/contract/fleet';
import { taskQueueOf } from '../../src/contract/names';
import { FakeActivities, activitiesBySite } from '../helpers/fake-activities';
import { WorkflowLab, findingOutcomes, withWorker } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

jest.setTimeout(180_000);

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

/** A master of its own with these sites, whose backups are planned so many at one time and in pages of so many. */
class Fleet {
  readonly fakes = new Map<string, FakeActivities>();
  readonly pruned: string[] = [];
  /** Pages that were asked for, by what they come behind. */
  readonly pages: (string | null)[] = [];
  pruning: Activities['pruneSite'] = async () => ({ deleted: 1, waits: null });

  constructor(
    private readonly name: string,
    count: number,
    private readonly how: { atOnce?: number; page?: number; prune?: boolean } = {},
  ) {
    for (let number = 0; number < count; number += 1)
      this.fakes.set(`s${String(number).padStart(3, '0')}.${name}`, new FakeActivities());
  }

  get sites(): string[] {
    return [...this.fakes.keys()];
  }

  fake(number: number): FakeActivities {
    return this.fakes.get(this.sites[number] ?? '') ?? new FakeActivities();
  }

  /** How many tasks run at this moment. */
  get running(): number {
    return [...this.fakes.values()].filter(({ running }) => running.size > 0).length;
  }

  start(
    input: BackupAllInput = {},
  ): Promise<WorkflowHandleWithStartDetails<(given: BackupAllInput) => Promise<BackupAllResult>>> {
    return lab.environment.client.workflow.start('backupAll', {
      workflowId: `backup-all/${this.name}`,
      taskQueue: taskQueueOf(this.name),
      args: [input],
    });
  }

  async beside<T>(work: () => Promise<T>): Promise<T> {
    const { client } = lab.environment;
    const { atOnce = 2, page = 100, prune = false } = this.how;
    const own: Pick<Activities, 'planBackups' | 'pruneSite'> = {
      planBackups: async ({ after, limit }) => {
        this.pages.push(after);
        const coming = this.sites.filter((site) => after === null || site > after);
        const sites = coming.slice(0, Math.min(page, limit));
        const backup = { description: 'Automated backup' };
        return { sites, more: sites.length < coming.length, backup, prune, atOnce };
      },
      pruneSite: async (request) => {
        this.pruned.push(request.site);
        return this.pruning(request);
      },
    };
    const activities = { ...activitiesBySite(this.fakes), findOutcome: findingOutcomes(client), ...own };
    return withWorker(lab.environment, activities, work, taskQueueOf(this.name));
  }
}

it.concurrent('goes on past failures, and tells of them', async () => {
  const fleet = new Fleet('failures.example', 6, { prune: true });
  fleet.fake(1).set('dumpDatabase', { fails: 'SiteUnknown' });
  fleet.fake(3).set('preflight', { fails: 'ConfigurationInvalid' });
  const handle = await fleet.beside(async () => {
    const started = await fleet.start({ who: 'anna' });
    await started.result();
    return started;
  });
  const result = await handle.result();
  expect(result).toMatchObject({ sites: 6, done: 4, warned: 4, failed: 2, pruned: 4 });
  expect(result.failures).toEqual([
    { site: fleet.sites[1], code: 'SiteUnknown', message: 'dumpDatabase failed' },
    { site: fleet.sites[3], code: 'ConfigurationInvalid', message: 'preflight failed' },
  ]);
  expect(fleet.pruned.sort()).toEqual(fleet.sites.filter((_site, number) => number !== 1 && number !== 3));
  const [{ input }] = fleet.fake(0).arguments.get('preflight') as [{ input: object }];
  expect(input).toMatchObject({
    description: 'Automated backup',
    who: 'anna',
    requestKey: `backupAll/${handle.firstExecutionRunId}`,
  });
});

it.concurrent('so many at one time, the next as soon as one is done', async () => {
  const fleet = new Fleet('window.example', 5, { atOnce: 2 });
  for (const number of [0, 1]) fleet.fake(number).set('tarball', { blocks: true });
  await fleet.beside(async () => {
    const handle = await fleet.start();
    await Promise.all([fleet.fake(0).began('tarball'), fleet.fake(1).began('tarball')]);
    expect(fleet.running).toBe(2);
    // One lane is held: the other takes all the rest.
    await lab.environment.client.workflow.getHandle(`site/${fleet.sites[1]}`).cancel();
    await until('the rest is done', () => Promise.resolve(fleet.fake(4).done.includes('closeTask')));
    expect(fleet.fake(0).done).not.toContain('closeTask');
    await lab.environment.client.workflow.getHandle(`site/${fleet.sites[0]}`).cancel();
    expect(await handle.result()).toMatchObject({ sites: 5, done: 3, failed: 2 });
  });
});

it.concurrent('page by page, each a run of its own, with one key for all', async () => {
  const fleet = new Fleet('pages.example', 5, { page: 2 });
  fleet.fake(0).set('dumpDatabase', { fails: 'SiteUnknown' });
  await fleet.beside(async () => {
    const handle = await fleet.start();
    expect(await handle.result()).toMatchObject({
      sites: 5,
      done: 4,
      failed: 1,
      failures: [{ site: fleet.sites[0] }],
      requestKey: `backupAll/${handle.firstExecutionRunId}`,
    });
    expect(fleet.pages).toEqual([null, fleet.sites[1], fleet.sites[3]]);
    expect((await handle.describe()).runId).not.toBe(handle.firstExecutionRunId);
    const [{ input }] = fleet.fake(4).arguments.get('preflight') as [{ input: object }];
    expect(input).toMatchObject({ requestKey: `backupAll/${handle.firstExecutionRunId}` });
  });
});

it.concurrent('a restart of the worker loses nothing and makes nothing twice', async () => {
  const fleet = new Fleet('restart.example', 4, { atOnce: 2 });
  fleet.fake(1).set('tarball', { lostTimes: 1 });
  const handle = await fleet.beside(async () => {
    const started = await fleet.start();
    await fleet.fake(1).began('tarball');
    return started;
  });
  await fleet.beside(async () => {
    expect(await handle.result()).toMatchObject({ sites: 4, done: 4, failed: 0 });
  });
  for (const fake of fleet.fakes.values()) expect(fake.done.filter((step) => step === 'publishBackup')).toHaveLength(1);
});

it.concurrent('cancelled, it cancels what runs, waits for its undo, and begins nothing more', async () => {
  const fleet = new Fleet('cancel.example', 5, { atOnce: 2 });
  for (const number of [0, 1]) fleet.fake(number).set('tarball', { blocks: true });
  await fleet.beside(async () => {
    const handle = await fleet.start();
    await Promise.all([fleet.fake(0).began('tarball'), fleet.fake(1).began('tarball')]);
    await handle.cancel();
    const error: unknown = await handle.result().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    for (const number of [0, 1]) expect(fleet.fake(number).done).toContain('discardUnpublished');
    for (const number of [2, 3, 4]) expect(fleet.fake(number).calls).toEqual([]);
  });
});

it.concurrent('what cannot be pruned is a warning of its site', async () => {
  const fleet = new Fleet('pruning.example', 3, { prune: true, atOnce: 1 });
  for (const fake of fleet.fakes.values()) fake.set('tarball', { returns: { value: { bytes: 1 }, warnings: [] } });
  fleet.pruning = async ({ site }) => {
    if (site === fleet.sites[0]) throw Object.assign(new Error('the disk is gone'), { nonRetryable: true });
    return { deleted: 2, waits: site === fleet.sites[1] ? 'a restore has not said yet' : null };
  };
  await fleet.beside(async () => {
    expect(await (await fleet.start()).result()).toMatchObject({ done: 3, warned: 2, failed: 0, pruned: 4 });
  });
});

it.concurrent.each<[string, unknown[]]>([
  ['nothing', []],
  ['a text', ['all']],
  ['too much', [{ description: 'x'.repeat(100_000) }]],
  ['a state of nobody', [{}, { requestKey: 'x', counts: {} }]],
])('refuses %s', async (what, args) => {
  const fleet = new Fleet(`odd-${what.replaceAll(' ', '-')}.example`, 1);
  await fleet.beside(async () => {
    const handle = await lab.environment.client.workflow.start('backupAll', {
      workflowId: `odd/${what}`,
      taskQueue: taskQueueOf(`odd-${what.replaceAll(' ', '-')}.example`),
      args,
    });
    const error: unknown = await handle.result().catch((reason: unknown) => reason);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'InputInvalid' });
    expect(fleet.pages).toEqual([]);
  });
});
