import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { markdownText } from '../../src/contract/printable';
import { runStatusSchema } from '../../src/contract/tasks';
import { FROM_THE_COMMIT, FakeActivities, SAFETY_BACKUP_ID } from '../helpers/fake-activities';
import { type UndoneBy, describeUndo } from '../helpers/undo-suite';
import { WorkflowLab } from '../helpers/workflow-environment';

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

const input = { backup: 'example.com-20261124.031502' };

/** Forward steps before the commit point in order, each with what has been registered to undo it and those before it, newest first. */
const UNDONE_BY: UndoneBy = [
  ['findAbandonedTasks', []],
  ['preflight', []],
  ['awaitLease', []],
  ['enterMaintenance', ['leaveMaintenance']],
  ['fenceWrites', ['liftFence', 'leaveMaintenance']],
  ['dumpDatabase', ['discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['syncRemote', ['discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['tarball', ['discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['publishBackup', ['discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['deploy', ['discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['createDatabase', ['discardDatabase', 'discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['importDatabase', ['discardDatabase', 'discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['createDbUser', ['discardDatabase', 'discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']],
  ['verify', ['discardDatabase', 'discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']],
  [
    'switchSite',
    ['switchBack', 'discardDatabase', 'discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance'],
  ],
  [
    'reloadWebServer',
    [
      'putVhostBack',
      'switchBack',
      'discardDatabase',
      'discardStaged',
      'discardUnpublished',
      'liftFence',
      'leaveMaintenance',
    ],
  ],
  [
    'probeSite',
    [
      'putVhostBack',
      'switchBack',
      'discardDatabase',
      'discardStaged',
      'discardUnpublished',
      'liftFence',
      'leaveMaintenance',
    ],
  ],
];

const start = (fake: FakeActivities) => lab.start('restore', { ...input, site: lab.siteWith(fake) });

async function run(fake: FakeActivities): Promise<unknown> {
  return (await start(fake)).result();
}

async function failureOf(work: Promise<unknown>): Promise<ApplicationFailure> {
  const error = await work.then(
    () => {
      throw new Error('the workflow did not fail');
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof WorkflowFailedError)) throw error;
  return error.cause as ApplicationFailure;
}

/** What the run page of the Web UI shows. */
async function detailsOf(handle: WorkflowHandle): Promise<string> {
  const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return currentDetails ?? '';
}

const UNDOS = new Set(UNDONE_BY.flatMap(([, undos]) => undos));
const undosIn = (fake: FakeActivities): string[] => fake.done.filter((call) => UNDOS.has(call));

describeUndo('restore', { input, undoneBy: UNDONE_BY, lab: () => lab });

describe('restore', () => {
  it.concurrent('runs the steps in order, tells warnings, downtime and safety backup', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const handle = await lab.start('restore', { ...input, site });
    expect(await handle.result()).toMatchObject({
      site,
      restored: input.backup,
      safetyBackup: SAFETY_BACKUP_ID,
      downtimeMs: 1234,
      warnings: ['a file changed while it was read'],
    });
    const order = fake.done.filter((call) => call !== 'syncRemote');
    expect(order).toEqual([
      ...UNDONE_BY.map(([step]) => step).filter((step) => step !== 'syncRemote'),
      ...FROM_THE_COMMIT,
    ]);
    expect(fake.arguments.get('tarball')?.[1]).toMatchObject({
      description: 'Generated before being restored to a previous version',
      trigger: 'restore',
    });
  });

  it.concurrent(
    'its page tells the end: what was made of what, and for how long visitors saw the maintenance page',
    async () => {
      const fake = new FakeActivities();
      const handle = await lab.start('restore', { ...input, site: lab.siteWith(fake), who: 'anna' } as {
        site: string;
      });
      await handle.result();
      const page = await detailsOf(handle);
      expect(page).toMatch(/\*\*done\*\* in \d/);
      expect(page).toContain(`restored to: **${markdownText(input.backup)}**`);
      expect(page).toContain(`in the backup **${markdownText(SAFETY_BACKUP_ID)}**`);
      expect(page).toContain('in maintenance for 1.2 s');
      expect(page).toMatch(/warnings: 1\n {4}- a file changed while it was read/);
      const { searchAttributes } = await handle.describe();
      expect(searchAttributes).toMatchObject({ KedgeWho: ['anna'], KedgeCode: ['none'] });
    },
  );

  it.concurrent(
    'after a failure its page says what failed and how things stand, and the failure names the step',
    async () => {
      const fake = new FakeActivities().set('importDatabase', { fails: 'ImportFailed' });
      const handle = await start(fake);
      const failure = await failureOf(handle.result());
      expect(failure).toMatchObject({ type: 'ImportFailed', cause: { activityType: 'importDatabase' } });
      expect(failure.stack).not.toContain('node_modules');
      expect(Object.keys(failure.details?.[0] as object)[0]).toBe('state');
      const page = await detailsOf(handle);
      expect(page).toContain('**failed** (ImportFailed): importDatabase failed');
      expect(page).toContain('- the site is as it was before');
      expect(page).toContain('- while running: importDatabase');
      expect(page).not.toContain('undoing');
      const { searchAttributes } = await handle.describe();
      expect(searchAttributes).toMatchObject({ KedgeWho: ['none'], KedgeCode: ['ImportFailed'] });
    },
  );

  it.concurrent('cancelled, its page says that; whoever asks is told where it stands', async () => {
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const handle = await start(fake);
    await fake.began('tarball');
    const status = runStatusSchema.parse(await handle.query('status'));
    expect(status).toMatchObject({ steps: [{ name: 'tarball' }], attention: null });
    const [shut, began] = [status.maintenanceSince, status.steps[0]?.since].map((time) => Date.parse(time ?? ''));
    expect(shut).toBeLessThanOrEqual(began ?? NaN);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    const after = runStatusSchema.parse(await handle.query('status'));
    expect(after).toMatchObject({ steps: [], maintenanceSince: null });
    expect(await detailsOf(handle)).toMatch(/\*\*cancelled\*\*\n\n- the site is as it was before/);
    expect((await handle.describe()).searchAttributes).toMatchObject({ KedgeCode: ['Cancelled'] });
  });

  it.concurrent.each(['commitSwitch', 'endMaintenance'] as const)(
    '%s failing with a permanent error: only forward',
    async (step) => {
      const fake = new FakeActivities().set(step, { failsTimes: 2, code: 'ProgramFailed' });
      expect(await run(fake)).toMatchObject({ restored: input.backup });
      expect(undosIn(fake)).toEqual([]);
    },
  );

  it.concurrent('cancelled behind the commit point: the task ends well', async () => {
    const fake = new FakeActivities().set('commitSwitch', { fails: 'HostUnreachable' });
    const handle = await start(fake);
    await fake.began('commitSwitch');
    await handle.cancel();
    fake.clear('commitSwitch');
    expect(await handle.result()).toMatchObject({ restored: input.backup });
    expect(undosIn(fake)).toEqual([]);
  });

  it.concurrent('cleanup that cannot finish is a warning', async () => {
    const fake = new FakeActivities().set('discardPrevious', { fails: 'FileRefused' });
    const result = (await run(fake)) as { warnings: string[] };
    expect(result.warnings).toContain('discardPrevious could not finish: discardPrevious failed');
    expect(fake.done).toContain('discardSpool');
  });

  it.concurrent('one of two parallel steps failing: the other has settled before undo begins', async () => {
    const fake = new FakeActivities()
      .set('dumpDatabase', { fails: 'DumpInvalid' })
      .set('syncRemote', { blocks: true, settlesAfterMs: 400 });
    const failure = await failureOf(run(fake));
    expect(failure.type).toBe('DumpInvalid');
    expect(fake.calls.indexOf('syncRemote!')).toBeGreaterThan(-1);
    expect(fake.calls.indexOf('syncRemote!')).toBeLessThan(fake.calls.indexOf('discardUnpublished'));
  });

  it.concurrent('undo that meets a permanent error keeps on, asks for attention, and recovers', async () => {
    const fake = new FakeActivities()
      .set('deploy', { fails: 'ArchiveInvalid' })
      .set('liftFence', { fails: 'DatabaseRefused' });
    const handle = await start(fake);
    await expectAttention(handle, 'liftFence');
    expect((await handle.describe()).status.name).toBe('RUNNING');
    fake.clear('liftFence');
    expect((await failureOf(handle.result())).type).toBe('ArchiveInvalid');
    expect(undosIn(fake)).toEqual(['discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']);
    expect((await handle.describe()).searchAttributes['KedgeAttention']).toEqual(['none']);
  });

  it.concurrent('what follows the commit point asks for attention too when it does not succeed', async () => {
    const fake = new FakeActivities().set('endMaintenance', { fails: 'FileRefused' });
    const handle = await start(fake);
    await expectAttention(handle, 'endMaintenance');
    fake.clear('endMaintenance');
    expect(await handle.result()).toMatchObject({ restored: input.backup });
  });

  it.concurrent('a cancel during undo changes nothing', async () => {
    const fake = new FakeActivities()
      .set('deploy', { fails: 'ArchiveInvalid' })
      .set('discardStaged', { fails: 'FileRefused' });
    const handle = await start(fake);
    await fake.began('discardStaged');
    await handle.cancel();
    fake.clear('discardStaged');
    expect((await failureOf(handle.result())).type).toBe('ArchiveInvalid');
    expect(undosIn(fake)).toEqual(['discardStaged', 'discardUnpublished', 'liftFence', 'leaveMaintenance']);
  });

  it.concurrent('a step that was paused as often as it is tried is named as that, not as a mistake', async () => {
    const fake = new FakeActivities().set('preflight', { fails: 'StepPaused' });
    expect(await failureOf(run(fake))).toMatchObject({
      type: 'StepInterrupted',
      message: 'preflight was ended from outside as often as it is tried; the last time it was paused in Temporal',
    });
    expect(fake.calls.filter((call) => call === 'preflight')).toHaveLength(3);
  });

  it.concurrent('a task that was reset runs every undo there is', async () => {
    const fake = new FakeActivities().set('preflight', { fails: 'TaskWasReset' });
    expect((await failureOf(run(fake))).type).toBe('TaskWasReset');
    expect(undosIn(fake)).toEqual([
      'putVhostBack',
      'switchBack',
      'discardDatabase',
      'discardStaged',
      'discardUnpublished',
      'liftFence',
      'leaveMaintenance',
    ]);
  });

  it.concurrent('a task that was reset behind its commit point is finished, and nothing is undone', async () => {
    const fake = new FakeActivities()
      .set('preflight', { fails: 'TaskWasReset' })
      .set('readJournal', { returns: { open: true, committed: true, safetyBackup: SAFETY_BACKUP_ID } });
    const failure = await failureOf(run(fake));
    expect(failure.type).toBe('TaskWasReset');
    expect(failure.details?.[0]).toMatchObject({ state: 'the site is restored', safetyBackup: SAFETY_BACKUP_ID });
    expect(undosIn(fake)).toEqual([]);
    expect(fake.done.slice(fake.done.indexOf('readJournal'))).toEqual(['readJournal', ...FROM_THE_COMMIT]);
  });

  it.concurrent('a commit that is refused is undone', async () => {
    const fake = new FakeActivities().set('commitSwitch', { fails: 'TaskSuperseded' });
    expect((await failureOf(run(fake))).type).toBe('TaskSuperseded');
    expect(undosIn(fake)[0]).toBe('putVhostBack');
    expect(undosIn(fake).at(-1)).toBe('leaveMaintenance');
    expect(fake.done).not.toContain('endMaintenance');
  });

  it.concurrent(
    'a commit that is refused after an attempt before it was done is finished, and told as restored',
    async () => {
      const committed = { open: true, committed: true, safetyBackup: SAFETY_BACKUP_ID };
      const fake = new FakeActivities()
        .set('commitSwitch', { failsTimes: 1, code: 'TaskSuperseded' })
        .set('readJournal', { returnsInTurn: [{ ...committed, committed: false }, committed] });
      const failure = await failureOf(run(fake));
      expect([failure.type, failure.details?.[0]]).toMatchObject(['TaskSuperseded', { state: 'the site is restored' }]);
      expect(fake.done.slice(fake.done.lastIndexOf('readJournal'))).toEqual(['readJournal', ...FROM_THE_COMMIT]);
    },
  );

  it.concurrent('recovers an abandoned task before its own preflight', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    fake.set('findAbandonedTasks', { returns: [`${site}-20261123.000000-restore`] });
    await (await lab.start('restore', { ...input, site })).result();
    const before = fake.done.slice(0, fake.done.indexOf('preflight'));
    expect(before).toEqual([
      'findAbandonedTasks',
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
  });
});

async function expectAttention(handle: WorkflowHandle, step: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { searchAttributes } = await handle.describe();
    if (JSON.stringify(searchAttributes['KedgeAttention']) === JSON.stringify([step])) return;
    if (Date.now() > deadline) throw new Error(`attention was never asked for: ${JSON.stringify(searchAttributes)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
