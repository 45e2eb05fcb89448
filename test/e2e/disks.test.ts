import type { BackupResult } from '../../src/contract/tasks';
import { type Lab, cliFailure, cliJson, withWorkerInProcess } from '../helpers/e2e';
import {
  type SmallDisk,
  type Surroundings,
  canMount,
  expectAsBefore,
  justBefore,
  startLabOnDisks,
  surroundingsOf,
} from '../helpers/small-disks';

jest.setTimeout(180_000);

const SITE = 'gazette.example';
const MIB = 1024 * 1024;

/* Each place, each way a disk can fail, also in mid-task: test/full/disks.test.ts. */
(canMount ? describe : describe.skip)('disks (skipped where nothing can be mounted)', () => {
  let lab: Lab;
  let disks: { backups: SmallDisk; spool: SmallDisk };
  let backup: BackupResult;
  let before: Surroundings;

  beforeAll(async () => {
    const started = await startLabOnDisks();
    ({ lab } = started);
    disks = started;
    await cliJson(lab, 'sites', 'adopt', SITE);
    backup = await withWorkerInProcess(
      lab,
      (parts) => parts,
      () => cliJson<BackupResult>(lab, 'backup', SITE),
    );
    before = await surroundingsOf(lab);
  });
  afterEach(() => {
    disks?.backups.mend();
    disks?.spool.mend();
  });
  afterAll(async () => {
    disks?.backups.unmount();
    disks?.spool.unmount();
    await lab?.stop();
  });

  it.each<[string, () => void, RegExp]>([
    ['a full backups disk', () => disks.backups.leaveBytes(20 * MIB), /^backups on \S+ need \d+ bytes/],
    ['a full spool', () => disks.spool.leaveBytes(4 * MIB), /^spool on \S+ need \d+ bytes, .*spool-disk/],
    ['read-only backups', () => disks.backups.makeReadOnly(), /^backups on \S+: the file system of \S+ is read-only$/],
  ])('%s is found before anything is done', async (_what, fail, message) => {
    const failure = await withWorkerInProcess(
      lab,
      (parts) => parts,
      async () => {
        fail();
        return cliFailure(lab, 'backup', SITE);
      },
    );
    expect(failure).toMatchObject({ code: 'DiskFull', exitCode: 1, site: SITE, state: 'the site is unchanged' });
    expect(failure.message).toMatch(message);
    await expectAsBefore(lab, before);
  });

  it.each<[string, ReturnType<typeof justBefore>]>([
    ['backups', justBefore('archives', 'pack', () => disks.backups.leaveBytes(MIB))],
    ['spool', justBefore('databaseServer', 'dump', () => disks.spool.leaveBytes(8 * 1024))],
  ])('%s filled up by somebody else in mid-restore: a clear error, and the site as before', async (_place, fault) => {
    const failure = await withWorkerInProcess(lab, fault, () =>
      cliFailure(lab, 'restore', SITE, backup.backup.id, '--yes'),
    );
    expect(failure).toMatchObject({
      code: 'DiskFull',
      exitCode: 1,
      site: SITE,
      state: 'the site is as it was before',
      message: expect.stringMatching(/no space left on device/i) as unknown,
    });
    await expectAsBefore(lab, before);
  });
});
