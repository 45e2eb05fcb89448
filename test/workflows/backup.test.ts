import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { MAXIMUM_PAYLOAD_BYTES, jsonBytes } from '../../src/contract/payload-bounds';
import { FakeActivities, PREFLIGHT, SAFETY_BACKUP_ID } from '../helpers/fake-activities';
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
    ['awaitLease', []],
    ['proveDefinitions', ['discardUnpublished']],
    // The site is shown before the rest is tidied.
    ['enterMaintenance', ['leaveMaintenance', 'discardUnpublished']],
    ['fenceWrites', [...QUIET, 'discardUnpublished']],
    ['dumpDatabase', [...QUIET, 'discardUnpublished']],
    ['syncRemote', [...QUIET, 'discardUnpublished']],
    ['tarball', [...QUIET, 'discardUnpublished']],
    ['publishBackup', [...QUIET, 'discardUnpublished']],
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
      'awaitLease',
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

  it.concurrent('quiesced: proved first, then maintenance and fence, which are taken back last', async () => {
    const fake = new FakeActivities();
    await run('backup', { site: lab.siteWith(fake), quiesce: true });
    expect(withoutParallel(fake.done)).toEqual([
      'findAbandonedTasks',
      'preflight',
      'awaitLease',
      'proveDefinitions',
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

  for (const step of ['liftFence', 'leaveMaintenance'] as const)
    it.concurrent(
      `cancelled behind its publishing, in ${step}: it is done, and nothing of it is left out`,
      async () => {
        const fake = new FakeActivities()
          .set('preflight', { returns: { ...PREFLIGHT, value: { ...PREFLIGHT.value, hooks: ['after'] } } })
          .set(step, { fails: 'FileRefused' });
        const input = { site: lab.siteWith(fake), quiesce: true };
        const handle = await lab.start('backup', input);
        await fake.began(step);
        await handle.cancel();
        fake.clear(step);
        expect(await handle.result()).toMatchObject({ backup: { id: SAFETY_BACKUP_ID } });
        const behind = fake.done.slice(fake.done.indexOf('publishBackup') + 1);
        expect(behind).toEqual(['liftFence', 'leaveMaintenance', 'discardSpool', 'runLastHook', 'closeTask']);
        expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'done' });
      },
    );

  it.concurrent('gives up on a server that does not answer in preflight, after three looks', async () => {
    const fake = new FakeActivities().set('preflight', { fails: 'DatabaseUnreachable' });
    expect(await typeOfFailure(run('backup', { site: lab.siteWith(fake) }))).toBe('DatabaseUnreachable');
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(3);
  });

  it.concurrent('looks that are lost with a worker which hangs are not counted', async () => {
    const fake = new FakeActivities().set('preflight', { lostTimes: 3 });
    expect(await run('backup', { site: lab.siteWith(fake) })).toMatchObject({ backup: { id: SAFETY_BACKUP_ID } });
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(4);
  });
});

describe('a site of which every step has much to say', () => {
  const many = Array.from({ length: 300 }, (_, index) => `${index} ${'ä'.repeat(1500)}`);
  const verbose = { returns: { value: { bytes: 1 }, warnings: many.slice(0, 20), moreWarnings: 99_980 } };

  it.concurrent('nothing of it makes an event of the history large', async () => {
    const fake = new FakeActivities()
      .set('dumpDatabase', verbose)
      .set('tarball', verbose)
      .set('discardSpool', { returns: { value: null, warnings: many } });
    const handle = await lab.start('backup', { site: lab.siteWith(fake) });
    const { warnings } = (await handle.result()) as { warnings: string[] };
    expect(warnings).toHaveLength(21);
    expect(warnings.at(-1)).toMatch(/^200280 more warnings: see `kedge log site\d+\.example-.*-backup`$/);
    // What the fakes themselves return is larger.
    const { events } = await handle.fetchHistory();
    const results = (events ?? []).filter((event) => event.workflowExecutionCompletedEventAttributes);
    expect(results).toHaveLength(1);
    expect(JSON.stringify(results).length).toBeLessThan(MAXIMUM_PAYLOAD_BYTES * 2);
    expect(jsonBytes(fake.arguments.get('closeTask'))).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
  });

  it.concurrent('it is undone and closed all the same', async () => {
    const fake = new FakeActivities().set('dumpDatabase', verbose).set('publishBackup', { fails: 'BackupDamaged' });
    expect(await typeOfFailure(run('backup', { site: lab.siteWith(fake) }))).toBe('BackupDamaged');
    expect(fake.done.slice(-2)).toEqual(['discardUnpublished', 'closeTask']);
    expect(jsonBytes(fake.arguments.get('closeTask'))).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
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
