import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { KedgeClient } from '../../src/client';
import type { KedgeError } from '../../src/contract/errors';
import { FakeActivities } from '../helpers/fake-activities';
import { MASTER, TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
let client: KedgeClient;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  client = new KedgeClient(environment.client, MASTER);
});
afterAll(async () => {
  await environment.teardown();
});

const site = 'example.com';
const input = { site, who: 'anna' };

async function errorOf(work: Promise<unknown>): Promise<KedgeError> {
  return work.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: unknown) => error as KedgeError,
  );
}

/** Lets a blocked step go by cancelling its task, and waits for the queue to end. */
async function untilIdle(): Promise<void> {
  await environment.client.workflow.getHandle(`turns/${site}`).result();
}

describe('turns', () => {
  it('gives the turn, and ends when idle', async () => {
    const fake = new FakeActivities();
    await withWorker(environment, fake.implementation(), async () => {
      const task = await client.backup(input);
      expect(task.task).toMatch(/^example\.com-\d{8}\.\d{6}-backup$/);
      expect(await task.result()).toMatchObject({ task: task.task, site });
      await untilIdle();
    });
  });

  it('answers a busy site with by what, by whom, since when', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    await withWorker(environment, fake.implementation(), async () => {
      const first = await client.backup(input);
      const busy = await errorOf(client.restore({ site, backup: 'example.com-20261124.031502', who: 'bob' }));
      expect(busy).toMatchObject({ code: 'SiteBusy', site });
      expect(busy.message).toMatch(new RegExp(`^example.com is busy: ${first.task} by anna since \\d{4}-`));
      await first.cancel();
      expect((await errorOf(first.result())).code).toBe('Cancelled');
      await untilIdle();
    });
  });

  it('keeps a turn that was asked to wait, in order, through a restart of the worker', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const [first, second, third] = await withWorker(environment, fake.implementation(), async () => {
      const running = await client.backup(input);
      await fake.began('tarball');
      const waiting = await client.verify(input, { waitTurn: true });
      const last = await client.verify(input, { waitTurn: true });
      expect([waiting.ticket.waiting, last.ticket.waiting]).toEqual([true, true]);
      expect(await waiting.status()).toMatchObject({ state: 'waiting' });
      expect(waiting.task).not.toBe(last.task);
      return [running, waiting, last] as const;
    });
    const after = new FakeActivities();
    await withWorker(environment, after.implementation(), async () => {
      await first.result();
      await second.result();
      await third.result();
      await untilIdle();
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

  it('a task that waits gives its turn up when it is cancelled; the others keep theirs', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    await withWorker(environment, fake.implementation(), async () => {
      const running = await client.backup(input);
      await fake.began('tarball');
      const waiting = await client.verify(input, { waitTurn: true });
      const last = await client.verify(input, { waitTurn: true });
      await waiting.cancel();
      expect(await errorOf(waiting.result())).toMatchObject({ code: 'Cancelled', state: 'the site is unchanged' });
      expect(await waiting.giveUpTurn()).toBe(false);
      await running.cancel();
      expect(await last.result()).toMatchObject({ task: last.task });
      await untilIdle();
    });
    expect(fake.done.filter((call) => call === 'probeSite')).toHaveLength(1);
  });

  it('makes a request key the same task, also after the task has ended', async () => {
    const fake = new FakeActivities();
    await withWorker(environment, fake.implementation(), async () => {
      const keyed = { ...input, requestKey: 'order-1' };
      const [one, two] = await Promise.all([client.backup(keyed), client.backup(keyed)]);
      expect(one.task).toBe(two.task);
      await one.result();
      await untilIdle();
      fake.set('findTaskOfRequest', { returns: one.task });
      const again = await client.backup(keyed);
      expect(again.task).toBe(one.task);
      expect(await again.result()).toMatchObject({ task: one.task });
      expect(fake.calls.filter((call) => call === 'publishBackup.')).toHaveLength(1);
      await untilIdle();
    });
  });

  it('finds a task started directly: refuses, or waits for it', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    await withWorker(environment, fake.implementation(), async () => {
      const direct = await environment.client.workflow.start('backup', {
        workflowId: `site/${site}`,
        taskQueue: TASK_QUEUE,
        args: [{ site }],
      });
      await fake.began('tarball');
      expect(await errorOf(client.verify(input))).toMatchObject({
        code: 'SiteBusy',
        message: expect.stringContaining('by somebody') as unknown,
      });
      const waiting = await client.verify(input, { waitTurn: true });
      await direct.cancel();
      await direct.result().catch(() => undefined);
      expect(await waiting.result()).toMatchObject({ task: waiting.task });
      await untilIdle();
    });
  });

  it('starts a recovery when the task was terminated', async () => {
    const fake = new FakeActivities()
      .set('importDatabase', { blocks: true })
      .set('listOpenTasks', { returns: ['example.com-x'] });
    await withWorker(environment, fake.implementation(), async () => {
      const task = await client.restore({ site, backup: 'example.com-20261124.031502' });
      await fake.began('importDatabase');
      await environment.client.workflow.getHandle(`site/${site}`).terminate('pressed in the web UI');
      expect((await errorOf(task.result())).code).toBe('TaskTerminated');
      await untilIdle();
    });
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
      'closeTask',
    ]);
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'recovered' });
  });

  it('recovers forward behind the commit point', async () => {
    const fake = new FakeActivities()
      .set('endMaintenance', { blocks: true })
      .set('listOpenTasks', { returns: ['example.com-x'] })
      .set('readJournal', { returns: { open: true, committed: true, safetyBackup: null } });
    await withWorker(environment, fake.implementation(), async () => {
      const task = await client.restore({ site, backup: 'example.com-20261124.031502' });
      await fake.began('endMaintenance');
      fake.clear('endMaintenance');
      await environment.client.workflow.getHandle(`site/${site}`).terminate('pressed in the web UI');
      await errorOf(task.result());
      await untilIdle();
    });
    expect(fake.done.slice(fake.done.indexOf('readJournal'))).toEqual([
      'readJournal',
      'commitSwitch',
      'endMaintenance',
      'discardPrevious',
      'discardReplacedDatabase',
      'discardSpool',
      'closeTask',
    ]);
  });

  it('says that no worker answers, and leaves nothing behind that would run later', async () => {
    const nobody = new KedgeClient(environment.client, 'nobody');
    const lonely = { site: 'lonely.example' };
    expect(await errorOf(nobody.backup(lonely, { timeoutMs: 1500 }))).toMatchObject({ code: 'NoWorker' });
    const left = await environment.client.workflow.getHandle('turns/lonely.example').describe();
    expect(left.status.name).toBe('TERMINATED');
  });

  it('a task may follow as soon as the one before has told its result, under an id of its own', async () => {
    const fake = new FakeActivities().set('whoHoldsSite', { returns: null }).set('preflight', { fails: 'DiskFull' });
    const ids = new Set<string>();
    await withWorker(environment, fake.implementation(), async () => {
      for (let count = 0; count < 8; count += 1) {
        const task = await client.verify({ site });
        ids.add(task.task);
        expect((await errorOf(task.result())).code).toBe('DiskFull');
        // Now and then the queue has ended meanwhile.
        if (count % 3 === 2) await untilIdle();
      }
      await untilIdle();
    });
    expect(ids.size).toBe(8);
  });
});
