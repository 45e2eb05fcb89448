import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { FakeActivities, SAFETY_BACKUP_ID } from '../helpers/fake-activities';
import { describeUndo } from '../helpers/undo-suite';
import { WorkflowLab } from '../helpers/workflow-environment';

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

async function run(
  type: 'backup' | 'verify',
  input: { site: string; description?: string; quiesce?: boolean },
): Promise<unknown> {
  return (await lab.start(type, input)).result();
}

async function typeOfFailure(work: Promise<unknown>): Promise<string | null | undefined> {
  const error = await work.catch((reason: unknown) => reason);
  if (!(error instanceof WorkflowFailedError))
    throw new Error(`expected a failed workflow, got ${JSON.stringify(error)}`);
  return (error.cause as ApplicationFailure).type;
}

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
  lab: () => lab,
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
  lab: () => lab,
});

describe('backup', () => {
  it.concurrent('dumps, packs, publishes, and clears the spool', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    expect(await run('backup', { site, description: 'x' })).toMatchObject({
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

  it.concurrent('quiesced: maintenance and fence come first and are taken back last', async () => {
    const fake = new FakeActivities();
    await run('backup', { site: lab.siteWith(fake), quiesce: true });
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

  it.concurrent('a published backup stays when maintenance cannot be ended at once', async () => {
    const fake = new FakeActivities().set('leaveMaintenance', { failsTimes: 2, code: 'FileRefused' });
    expect(await run('backup', { site: lab.siteWith(fake), quiesce: true })).toMatchObject({
      backup: { id: SAFETY_BACKUP_ID },
    });
  });

  it.concurrent('gives up on a server that does not answer in preflight, after three looks', async () => {
    const fake = new FakeActivities().set('preflight', { fails: 'DatabaseUnreachable' });
    expect(await typeOfFailure(run('backup', { site: lab.siteWith(fake) }))).toBe('DatabaseUnreachable');
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(3);
  });
});

describe('verify', () => {
  it.concurrent('looks at settings, vhost and a page', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    expect(await run('verify', { site })).toMatchObject({ site, status: 200 });
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
