import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupResult } from '../../src/contract/tasks';
import { type Lab, cliFailure, cliJson, journalsOf, shell, until, withWorkerInProcess } from '../helpers/e2e';
import {
  SmallDisk,
  type Surroundings,
  canMount,
  expectAsBefore,
  justBefore,
  startLabOnDisks,
  surroundingsOf,
} from '../helpers/small-disks';

jest.setTimeout(240_000);

const SITE = 'gazette.example';
type Place = 'backups' | 'spool' | 'web staging' | 'database server' | 'binary log';
type Failure = 'full' | 'out of inodes' | 'read-only';

/** A disk on which a server has files open cannot be made read-only by hand; one that fails takes the server with it. */
const BY_HAND: readonly Place[] = ['backups', 'spool', 'web staging'];
const PLACES: readonly Place[] = [...BY_HAND, 'database server', 'binary log'];

(canMount ? describe : describe.skip)('disks (skipped where nothing can be mounted)', () => {
  let lab: Lab;
  let disks: Record<Place, SmallDisk>;
  let binaryLog: string;
  let backup: BackupResult;
  let before: Surroundings;

  beforeAll(async () => {
    binaryLog = mkdtempSync('/var/tmp/kedge-binlog-');
    shell('chmod', '755', binaryLog);
    const logDisk = new SmallDisk(join(binaryLog, 'disk'));
    shell('chown', 'mysql:', logDisk.folder);
    const started = await startLabOnDisks([
      `--log-bin=${join(logDisk.folder, 'log')}`,
      '--log-bin-trust-function-creators=1',
    ]);
    ({ lab } = started);
    const staging = SmallDisk.inPlaceOf(join(lab.folder, 'srv'));
    await lab.mariadb.stop();
    const data = SmallDisk.inPlaceOf(join(lab.folder, 'mariadb-data'));
    await lab.mariadb.start();
    disks = {
      backups: started.backups,
      spool: started.spool,
      'web staging': staging,
      'database server': data,
      'binary log': logDisk,
    };
    await cliJson(lab, 'sites', 'adopt', SITE);
    backup = await withWorkerInProcess(lab, asIs, () => cliJson<BackupResult>(lab, 'backup', SITE));
    shell('install', '-d', '-m', '0700', join(lab.folder, 'srv/.kedge'));
    before = await surroundingsOf(lab);
  });
  afterEach(() => {
    for (const disk of Object.values(disks ?? {})) disk.mend();
  });
  afterAll(async () => {
    await lab?.mariadb.stop();
    for (const disk of Object.values(disks ?? {})) disk.unmount();
    await lab?.stop();
    shell('rm', '-rf', '--one-file-system', binaryLog);
  });

  const asIs = justBefore('archives', 'nothing', () => undefined);
  const restore = () => cliFailure(lab, 'restore', SITE, backup.backup.id, '--yes');
  const fail = (place: Place, failure: Failure, bytes = 0): void => {
    if (failure === 'full') disks[place].leaveBytes(bytes);
    else if (failure === 'out of inodes') disks[place].leaveInodes(0);
    else disks[place].makeReadOnly();
  };

  describe.each<Failure>(['full', 'out of inodes', 'read-only'])('%s', (failure) => {
    const places = failure === 'read-only' ? BY_HAND : PLACES;

    it.each(places)('%s: found before anything is done', async (place) => {
      const failed = await withWorkerInProcess(lab, asIs, async () => {
        fail(place, failure, 1024 * 1024);
        return restore();
      });
      expect(failed).toMatchObject({ code: 'DiskFull', exitCode: 1, site: SITE, state: 'the site is unchanged' });
      expect(failed.message).toContain(place);
      await expectAsBefore(lab, before);
    });
  });

  it.each<[Place, Failure, Parameters<typeof justBefore>[0], string]>([
    ['backups', 'full', 'archives', 'pack'],
    ['backups', 'out of inodes', 'archives', 'pack'],
    ['backups', 'read-only', 'archives', 'pack'],
    ['spool', 'full', 'databaseServer', 'dump'],
    ['spool', 'read-only', 'databaseServer', 'dump'],
    ['web staging', 'full', 'archives', 'extract'],
    ['web staging', 'out of inodes', 'archives', 'extract'],
    ['web staging', 'read-only', 'archives', 'extract'],
    ['database server', 'full', 'databaseServer', 'importDump'],
  ])('%s, %s in mid-restore: a clear error, and the site as before', async (place, failure, part, method) => {
    const fault = justBefore(part, method, () => fail(place, failure, 8 * 1024));
    const failed = await withWorkerInProcess(lab, fault, async () => {
      const restoring = restore();
      // What lies on a disk that takes no write cannot be removed either: undo waits for it.
      await until('undo has begun', () => journalsOf(lab, 'restore').at(-1)?.undoing === true);
      if (failure === 'read-only') disks[place].mend();
      return restoring;
    });
    expect(failed).toMatchObject({
      code: place === 'database server' ? (expect.stringMatching(/DiskFull|ImportFailed/) as unknown) : 'DiskFull',
      exitCode: 1,
      site: SITE,
      state: 'the site is as it was before',
      message: expect.stringMatching(/no space left|read-only file system|table .* is full|disk/i) as unknown,
    });
    await expectAsBefore(lab, before);
  });
});
