import { KedgeClient } from '../../src/client';
import { taskQueueOf } from '../../src/contract/names';
import type { KedgeError } from '../../src/contract/errors';
import { FROM_THE_COMMIT, FakeActivities } from '../helpers/fake-activities';
import { MASTER, WorkflowLab, withWorker } from '../helpers/workflow-environment';

let lab: WorkflowLab;
let client: KedgeClient;
beforeAll(async () => {
  lab = await WorkflowLab.start();
  client = new KedgeClient(lab.environment.client, MASTER);
});
afterAll(() => lab.stop());

const backup = 'example.com-20261124.031502';

async function errorOf(work: Promise<unknown>): Promise<KedgeError> {
  return work.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: unknown) => error as KedgeError,
  );
}

const workflow = (id: string) => lab.environment.client.workflow.getHandle(id);

/** Waits for the queue of a site to end. */
async function untilIdle(site: string): Promise<void> {
  await workflow(`turns/${site}`).result();
}

describe('turns', () => {
  it.concurrent('gives the turn, and ends when idle', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const task = await client.backup({ site, who: 'anna' });
    expect(task.task.replace(site, '')).toMatch(/^-\d{8}\.\d{6}-backup$/);
    expect(await task.result()).toMatchObject({ task: task.task, site });
    await untilIdle(site);
  });

  it.concurrent('names the task in its summary, with what and why', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const summaryOf = async (): Promise<unknown> => {
      const { staticSummary } = await workflow(`site/${site}`).describe();
      await untilIdle(site);
      return staticSummary();
    };
    await (await client.restore({ site, backup })).result();
    expect(await summaryOf()).toBe(`Restore ${site} to 2026-11-24 03:15 - before the update`);
    expect(fake.arguments.get('describeBackup')).toEqual([{ site, backup }]);
    fake.set('describeBackup', { fails: 'RecordInvalid' });
    await (await client.restore({ site, backup })).result();
    expect(await summaryOf()).toBe(`Restore ${site} to 2026-11-24 03:15`);
    await (await client.backup({ site, description: 'nightly' })).result();
    expect(await summaryOf()).toBe(`Backup ${site} - nightly`);
  });

  it.concurrent('ids stay in order when the clock goes back', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    fake.set('findNewestTask', { returns: `${site}-20991231.235958-backup` });
    const [first, second] = [await client.verify({ site }), await client.verify({ site }, { waitTurn: true })];
    expect([first.task, second.task]).toEqual([`${site}-20991231.235959-verify`, `${site}-20991231.235959-verify_1`]);
    await second.result();
    await untilIdle(site);
    fake.set('findNewestTask', { fails: 'StateUnreadable' });
    expect((await client.verify({ site })).task).toMatch(/-20[0-8]\d{5}\.\d{6}-verify$/);
    await untilIdle(site);
  });

  it.concurrent('answers a busy site with by what, by whom, since when', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const first = await client.backup({ site, who: 'anna' });
    const busy = await errorOf(client.restore({ site, backup, who: 'bob' }));
    expect(busy).toMatchObject({ code: 'SiteBusy', site });
    expect(busy.message).toMatch(new RegExp(`^${site} is busy: ${first.task} by anna since \\d{4}-`));
    await first.cancel();
    expect((await errorOf(first.result())).code).toBe('Cancelled');
    await untilIdle(site);
  });

  it.concurrent('keeps a turn that was asked to wait, in order, through a restart of the worker', async () => {
    const site = 'restarted.example';
    const client = new KedgeClient(lab.environment.client, 'restarted');
    const besideWorker = <T>(fakes: FakeActivities, work: () => Promise<T>): Promise<T> =>
      withWorker(lab.environment, fakes.implementation(), work, taskQueueOf('restarted'));
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const [first, second, third] = await besideWorker(fake, async () => {
      const running = await client.backup({ site });
      await fake.began('tarball');
      const waiting = await client.verify({ site }, { waitTurn: true });
      const last = await client.verify({ site }, { waitTurn: true });
      expect([waiting.ticket.waiting, last.ticket.waiting]).toEqual([true, true]);
      expect(await waiting.status()).toMatchObject({ state: 'waiting' });
      expect(waiting.task).not.toBe(last.task);
      return [running, waiting, last] as const;
    });
    const after = new FakeActivities();
    await besideWorker(after, async () => {
      await first.result();
      await second.result();
      await third.result();
      await untilIdle(site);
    });
    expect(after.done.filter((call) => ['publishBackup', 'verify', 'closeTask'].includes(call))).toEqual([
      'publishBackup',
      'closeTask',
      'verify',
      'closeTask',
      'verify',
      'closeTask',
    ]);
  });

  it.concurrent('a task that waits gives its turn up when it is cancelled; the others keep theirs', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const running = await client.backup({ site, who: 'anna' });
    await fake.began('tarball');
    const waiting = await client.verify({ site }, { waitTurn: true });
    const last = await client.verify({ site }, { waitTurn: true });
    await waiting.cancel();
    expect(await errorOf(waiting.result())).toMatchObject({ code: 'Cancelled', state: 'the site is unchanged' });
    expect(await waiting.giveUpTurn()).toBe(false);
    await running.cancel();
    expect(await last.result()).toMatchObject({ task: last.task });
    await untilIdle(site);
    expect(fake.done.filter((call) => call === 'probeSite')).toHaveLength(1);
  });

  it.concurrent('makes a request key the same task, also after the task has ended', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const keyed = { site, requestKey: 'order-1' };
    const [one, two] = await Promise.all([client.backup(keyed), client.backup(keyed)]);
    expect(one.task).toBe(two.task);
    await one.result();
    await untilIdle(site);
    fake.set('findTaskOfRequest', { returns: one.task });
    const again = await client.backup(keyed);
    expect(again.task).toBe(one.task);
    expect(await again.result()).toMatchObject({ task: one.task });
    expect(fake.calls.filter((call) => call === 'publishBackup.')).toHaveLength(1);
    await untilIdle(site);
  });

  it.concurrent('tells the master of a signed request that waits, and of each that comes to nothing', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const signing = new KedgeClient(lab.environment.client, MASTER, { signingKey: 'k'.repeat(43) });
    const running = await signing.backup({ site });
    await fake.began('tarball');
    const requestsOf = (name: string): number => fake.calls.filter((call) => call === `${name}.`).length;
    const told = () => ({ accepted: requestsOf('acceptTurn'), withdrawn: requestsOf('withdrawRequest') });
    expect(told()).toEqual({ accepted: 0, withdrawn: 0 });

    expect(await errorOf(signing.restore({ site, backup }))).toMatchObject({ code: 'SiteBusy' });
    expect(told()).toEqual({ accepted: 0, withdrawn: 1 });
    const keyed = { site, backup, requestKey: 'once' };
    const waiting = await Promise.all([1, 2].map(() => signing.restore(keyed, { waitTurn: true })));
    expect(waiting[0]?.task).toBe(waiting[1]?.task);
    expect(told().withdrawn).toBe(2);
    await waiting[0]?.cancel();
    expect(told().withdrawn).toBe(3);
    // What was asked for and is in the arguments says by what it was vouched for.
    expect(fake.arguments.get('withdrawRequest')).toMatchObject([
      { type: 'restore', input: { site, signature: { waitTurn: true } } },
    ]);

    fake.set('acceptTurn', { fails: 'RequestExpired' });
    const refusal = await errorOf(signing.restore({ site, backup }, { waitTurn: true }));
    expect(refusal).toMatchObject({ code: 'RequestExpired', message: 'acceptTurn failed' });
    await running.cancel();
    await untilIdle(site);
    expect(fake.calls).not.toContain('switchSite');
  });

  it.concurrent('finds a task started directly: refuses, or waits for it', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const site = lab.siteWith(fake);
    const direct = await lab.start('backup', { site });
    await fake.began('tarball');
    expect(await errorOf(client.verify({ site }))).toMatchObject({
      code: 'SiteBusy',
      message: expect.stringContaining('by somebody') as unknown,
    });
    const waiting = await client.verify({ site }, { waitTurn: true });
    await direct.cancel();
    await direct.result().catch(() => undefined);
    expect(await waiting.result()).toMatchObject({ task: waiting.task });
    await untilIdle(site);
  });

  /** A restore is terminated in a step that blocks, and its recovery runs to the end. */
  async function terminateIn(step: Parameters<FakeActivities['clear']>[0], fake: FakeActivities): Promise<void> {
    const site = lab.siteWith(fake);
    fake.set('listOpenTasks', { returns: [`${site}-20261123.000000-restore`] });
    const task = await client.restore({ site, backup });
    await fake.began(step);
    fake.clear(step);
    await workflow(`site/${site}`).terminate('pressed in the web UI');
    expect((await errorOf(task.result())).code).toBe('TaskTerminated');
    await untilIdle(site);
  }

  it.concurrent('starts a recovery when the task was terminated', async () => {
    const fake = new FakeActivities().set('importDatabase', { blocks: true });
    await terminateIn('importDatabase', fake);
    expect(fake.done.slice(fake.done.indexOf('listOpenTasks'))).toEqual([
      'listOpenTasks',
      'readJournal',
      'putVhostBack',
      'switchBack',
      'discardDatabase',
      'discardStaged',
      'discardUnpublished',
      'liftFence',
      'leaveMaintenance',
      // A commit that still ran may have come before the first undo.
      'readJournal',
      'closeTask',
    ]);
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'recovered' });
  });

  it.concurrent('recovers forward behind the commit point', async () => {
    const fake = new FakeActivities()
      .set('endMaintenance', { blocks: true })
      .set('readJournal', { returns: { open: true, committed: true, safetyBackup: null } });
    await terminateIn('endMaintenance', fake);
    expect(fake.done.slice(fake.done.indexOf('readJournal'))).toEqual(['readJournal', ...FROM_THE_COMMIT]);
  });

  it.concurrent(
    'recovers forward when the commit was done between the look at the journal and the first undo',
    async () => {
      const committed = { open: true, committed: true, safetyBackup: null };
      const fake = new FakeActivities()
        .set('commitSwitch', { blocks: true })
        .set('readJournal', { returnsInTurn: [{ ...committed, committed: false }, committed] });
      await terminateIn('commitSwitch', fake);
      expect(fake.done.slice(fake.done.lastIndexOf('readJournal'))).toEqual(['readJournal', ...FROM_THE_COMMIT]);
      expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'done', code: null });
    },
  );

  it.concurrent('says that no worker answers, and leaves nothing behind that would run later', async () => {
    const nobody = new KedgeClient(lab.environment.client, 'nobody');
    const lonely = { site: 'lonely.example' };
    expect(await errorOf(nobody.backup(lonely, { timeoutMs: 1500 }))).toMatchObject({ code: 'NoWorker' });
    const left = await workflow('turns/lonely.example').describe();
    expect(left.status.name).toBe('TERMINATED');
  });

  it.concurrent('a task may follow as soon as the one before has told its result, under an id of its own', async () => {
    const fake = new FakeActivities().set('whoHoldsSite', { returns: null }).set('preflight', { fails: 'DiskFull' });
    const ids = new Set<string>();
    const site = lab.siteWith(fake);
    for (let count = 0; count < 8; count += 1) {
      const task = await client.verify({ site });
      ids.add(task.task);
      expect((await errorOf(task.result())).code).toBe('DiskFull');
      // Now and then the queue has ended meanwhile.
      if (count % 3 === 2) await untilIdle(site);
    }
    await untilIdle(site);
    expect(ids.size).toBe(8);
  });
});
