import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Activities } from '../../src/activities';
import { FakeActivities, SAFETY_BACKUP_ID } from '../helpers/fake-activities';
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
      'discardUnpublished',
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
      'discardUnpublished',
      'liftFence',
      'leaveMaintenance',
      'closeTask',
    ]);
  });

  it.each<[keyof Activities, string[]]>([
    ['preflight', []],
    ['dumpDatabase', ['discardUnpublished']],
    ['syncRemote', ['discardUnpublished']],
    ['tarball', ['discardUnpublished']],
    ['publishBackup', ['discardUnpublished']],
  ])('%s failing for good is undone', async (step, undos) => {
    const fake = new FakeActivities().set(step, { fails: 'DiskFull' });
    expect(await typeOfFailure(run('backup', { site }, fake))).toBe('DiskFull');
    expect(fake.done.filter((call) => call === 'discardUnpublished')).toEqual(undos);
    expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'failed', code: 'DiskFull' });
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

  it.each<[keyof Activities, string[]]>([
    ['verify', []],
    ['reloadWebServer', ['putVhostBack']],
    ['probeSite', ['putVhostBack']],
  ])('%s failing for good puts the vhost back', async (step, undos) => {
    const fake = new FakeActivities().set(step, { fails: 'VhostTestFailed' });
    expect(await typeOfFailure(run('verify', { site }, fake))).toBe('VhostTestFailed');
    expect(fake.done.filter((call) => call === 'putVhostBack')).toEqual(undos);
  });
});
