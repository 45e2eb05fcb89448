import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { FakeActivities, preflightWithLimit } from '../helpers/fake-activities';
import { TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

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
