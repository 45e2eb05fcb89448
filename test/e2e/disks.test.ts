import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../../scripts/lab/fingerprint';
import type { RestorePlan } from '../../src/contract/documents';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, cli, cliFailure, cliJson, recordsOf, withWorkerInProcess } from '../helpers/e2e';
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

  // Last: the site has another database from here on.
  it('what the backups have no room for is kept, named, and let go', async () => {
    const [site] = lab.sites;
    if (!site) throw new Error('the lab has no site');
    const grown = join(site.root, 'wp-content/uploads/grown');
    writeFileSync(grown, randomBytes(30 * MIB));
    const expected = /^backups on \S+ need \d+ bytes, .*: the safety backup does without the files of /;
    const restored = await withWorkerInProcess(
      lab,
      (parts) => parts,
      async () => {
        disks.backups.leaveBytes(30 * MIB);
        const plan = await cliJson<RestorePlan>(lab, 'restore', SITE, backup.backup.id, '--dry-run');
        expect(plan.warnings).toContainEqual(expect.stringMatching(expected));
        return cliJson<RestoreResult>(lab, 'restore', SITE, backup.backup.id, '--yes');
      },
    );
    expect(differences(before.site, (await surroundingsOf(lab)).site)).toEqual([]);
    const record = recordsOf(lab, SITE).find(({ id }) => id === restored.safetyBackup);
    expect(record?.incomplete).toEqual([expect.stringMatching(expected)]);
    // The database is in there.
    expect(record?.database.tables.length).toBeGreaterThan(10);
    const [folder] = record?.kept?.folders ?? [];
    expect(readFileSync(join(folder?.path ?? '', 'wp-content/uploads/grown')).length).toBe(30 * MIB);
    const shown = await cliJson<{ originals: object[] }>(lab, 'sites', 'show', SITE);
    expect(shown.originals).toEqual([expect.objectContaining({ backup: record?.id, folders: [folder?.path] })]);
    expect((await cli(lab, 'sites', 'let-go', SITE, record?.id ?? '')).stderr).toContain(folder?.path);
    await cliJson(lab, 'sites', 'let-go', SITE, record?.id ?? '', '--yes');
    expect(existsSync(folder?.path ?? '')).toBe(false);
    expect((await cliJson<{ originals: object[] }>(lab, 'sites', 'show', SITE)).originals).toEqual([]);
    expect(recordsOf(lab, SITE).find(({ id }) => id === record?.id)?.kept).toBeUndefined();
  });
});
