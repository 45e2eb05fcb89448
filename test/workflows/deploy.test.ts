import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { FakeActivities } from '../helpers/fake-activities';
import { type UndoneBy, describeUndo } from '../helpers/undo-suite';
import { TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(async () => {
  await environment.teardown();
});

const input = { site: 'example.com', archive: '/root/example.com-20261124.031502.tar.zst' };
const DATABASE = ['discardDatabase', 'discardStaged'];
const SWITCH = ['switchBack', ...DATABASE];

const UNDONE_BY: UndoneBy = [
  ['findAbandonedTasks', []],
  ['preflight', []],
  ['deploy', ['discardStaged']],
  ['createDatabase', DATABASE],
  ['importDatabase', DATABASE],
  ['createDbUser', DATABASE],
  ['verify', DATABASE],
  ['switchSite', SWITCH],
  ['reloadWebServer', ['putVhostBack', ...SWITCH]],
  ['probeSite', ['putVhostBack', ...SWITCH]],
];

describeUndo('deploy', { input, undoneBy: UNDONE_BY, environment: () => environment });

describe('deploy', () => {
  it('unpacks, imports, switches and commits, without maintenance and safety backup', async () => {
    const fake = new FakeActivities();
    const result = await withWorker(environment, fake.implementation(), async () => {
      const handle = await environment.client.workflow.start('deploy', {
        workflowId: 'site/example.com',
        taskQueue: TASK_QUEUE,
        args: [input],
      });
      return handle.result();
    });
    expect(result).toMatchObject({ site: 'example.com', deployed: 'example.com-20261124.031502' });
    expect(fake.done).toEqual([
      ...UNDONE_BY.map(([step]) => step),
      'commitSwitch',
      'endMaintenance',
      'discardPrevious',
      'discardReplacedDatabase',
      'discardSpool',
      'closeTask',
    ]);
  });
});
