import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { KedgeClient } from '../../src/client';
import { FakeActivities, preflightWithLimit } from '../helpers/fake-activities';
import { MASTER, TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

/**
 * Records the histories the replay test holds later workflow code against, with fake activities: `npm run
 * record-histories`, when a workflow is added. A history that exists stays as it is, for runs of it may still be open
 * somewhere.
 */
async function record(): Promise<void> {
  const environment = await startWorkflowEnvironment();
  const site = 'example.com';
  const restore = { site, backup: 'example.com-20261124.031502' };
  const runs: [string, string, object, FakeActivities][] = [
    ['backup', 'backup', { site }, new FakeActivities()],
    ['backup-quiesced', 'backup', { site, quiesce: true }, new FakeActivities()],
    ['backup-proved-quiesced', 'backup', { site, quiesce: true }, new FakeActivities()],
    ['restore', 'restore', restore, new FakeActivities()],
    ['restore-undone', 'restore', restore, new FakeActivities().set('importDatabase', { fails: 'ImportFailed' })],
    [
      'restore-within-limit',
      'restore',
      restore,
      new FakeActivities().set('preflight', preflightWithLimit(600_000, 20_000)),
    ],
    [
      'restore-past-limit',
      'restore',
      restore,
      new FakeActivities().set('preflight', preflightWithLimit(1_000, 20_000)).set('deploy', { blocks: true }),
    ],
    ['verify', 'verify', { site }, new FakeActivities()],
    ['deploy', 'deploy', { site, archive: '/root/archive.tar.zst' }, new FakeActivities()],
  ];
  try {
    for (const [name, type, input, fake] of runs) {
      const path = join(__dirname, 'histories', `${name}.json`);
      if (existsSync(path)) continue;
      const history = await withWorker(environment, fake.implementation(), async () => {
        const handle = await environment.client.workflow.start(type, {
          workflowId: `site/${site}`,
          taskQueue: TASK_QUEUE,
          args: [input],
        });
        await handle.result().catch(() => undefined);
        return handle.fetchHistory();
      });
      writeFileSync(path, `${withoutMachine(historyToJSON(history))}\n`, { flag: 'wx' });
    }
    const queue = join(__dirname, 'histories', 'turns.json');
    if (existsSync(queue)) return;
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const history = await withWorker(environment, fake.implementation(), async () => {
      const client = new KedgeClient(environment.client, MASTER);
      const running = await client.backup({ site, who: 'anna' });
      await fake.began('tarball');
      await client.restore({ ...restore, who: 'bob' }).catch(() => undefined);
      const givenUp = await client.verify({ site, requestKey: 'one' }, { waitTurn: true });
      await client.verify({ site, requestKey: 'one' }, { waitTurn: true });
      const last = await client.verify({ site }, { waitTurn: true });
      await givenUp.cancel();
      await running.cancel();
      await last.result();
      const handle = environment.client.workflow.getHandle(`turns/${site}`);
      await handle.result();
      return handle.fetchHistory();
    });
    writeFileSync(queue, `${withoutMachine(historyToJSON(history))}\n`, { flag: 'wx' });
  } finally {
    await environment.teardown();
  }
}

/** Names of processes and places in stack traces say nothing about the workflow. */
function withoutMachine(history: string): string {
  return JSON.stringify(JSON.parse(history), (key, value: unknown) =>
    key === 'identity' ? 'recorder' : key === 'stackTrace' ? '' : value,
  );
}

it('records what is not there yet', record, 120_000);
