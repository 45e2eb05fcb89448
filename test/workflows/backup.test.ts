import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { FakeActivities, SAFETY_BACKUP_ID } from '../helpers/fake-activities';
import { describeUndo } from '../helpers/undo-suite';
import { TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(async () => {
  await environment.teardown();
});

async function run(type: 'backup' | 'verify', input: object, fake: FakeActivities): Promise<unknown> {
  return withWorker(environment, fake.implementation(), async () => {
    const handle = await environment.client.workflow.start(type, {
      workflowId: 'site/example.com',
      taskQueue: TASK_QUEUE,
      args: [input],
    });
    return handle.result();
  });
}

async function typeOfFailure(work: Promise<unknown>): Promise<string | null | undefined> {
  const error = await work.catch((reason: unknown) => reason);
  if (!(error instanceof WorkflowFailedError))
    throw new Error(`expected a failed workflow, got ${JSON.stringify(error)}`);
  return (error.cause as ApplicationFailure).type;
}

const site = 'example.com';
const withoutParallel = (calls: string[]): string[] => calls.filter((call) => call !== 'syncRemote');

const QUIET = ['liftFence', 'leaveMaintenance'];

describeUndo('backup', {
  input: { quiesce: true },
  undoneBy: [
    ['findAbandonedTasks', []],
    ['preflight', []],
    ['enterMaintenance', ['leaveMaintenance']],
    ['fenceWrites', QUIET],
    ['dumpDatabase', ['discardUnpublished', ...QUIET]],
    ['syncRemote', ['discardUnpublished', ...QUIET]],
    ['tarball', ['discardUnpublished', ...QUIET]],
    ['publishBackup', ['discardUnpublished', ...QUIET]],
  ],
  takenBack: QUIET,
  environment: () => environment,
});

describeUndo('verify', {
  input: {},
  undoneBy: [
    ['findAbandonedTasks', []],
    ['preflight', []],
    ['verify', []],
    ['reloadWebServer', ['putVhostBack']],
    ['probeSite', ['putVhostBack']],
  ],
  environment: () => environment,
});

describe('backup', () => {
  it('dumps, packs, publishes, and clears the spool', async () => {
    const fake = new FakeActivities();
    expect(await run('backup', { site, description: 'x' }, fake)).toMatchObject({
      site,
      backup: { id: SAFETY_BACKUP_ID },
    });
    expect(withoutParallel(fake.done)).toEqual([
      'findAbandonedTasks',
      'preflight',
      'dumpDatabase',
      'tarball',
      'publishBackup',
      'discardSpool',
      'closeTask',
    ]);
    expect(fake.arguments.get('tarball')?.[1]).toEqual({
      description: 'before the update',
      trigger: 'request',
      compression: 'zstd',
    });
  });

  it('quiesced: maintenance and fence come first and are taken back last', async () => {
    const fake = new FakeActivities();
    await run('backup', { site, quiesce: true }, fake);
    expect(withoutParallel(fake.done)).toEqual([
      'findAbandonedTasks',
      'preflight',
      'enterMaintenance',
      'fenceWrites',
      'dumpDatabase',
      'tarball',
      'publishBackup',
      'liftFence',
      'leaveMaintenance',
      'discardSpool',
      'closeTask',
    ]);
  });

  it('a published backup stays when maintenance cannot be ended at once', async () => {
    const fake = new FakeActivities().set('leaveMaintenance', { failsTimes: 2, code: 'FileRefused' });
    expect(await run('backup', { site, quiesce: true }, fake)).toMatchObject({ backup: { id: SAFETY_BACKUP_ID } });
  });

  it('gives up on a server that does not answer in preflight, after three looks', async () => {
    const fake = new FakeActivities().set('preflight', { fails: 'DatabaseUnreachable' });
    expect(await typeOfFailure(run('backup', { site }, fake))).toBe('DatabaseUnreachable');
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(3);
  });
});

describe('verify', () => {
  it('looks at settings, vhost and a page', async () => {
    const fake = new FakeActivities();
    expect(await run('verify', { site }, fake)).toMatchObject({ site, status: 200 });
    expect(fake.done).toEqual([
      'findAbandonedTasks',
      'preflight',
      'verify',
      'reloadWebServer',
      'probeSite',
      'closeTask',
    ]);
  });
});
