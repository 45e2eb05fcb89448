import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupResult } from '../../src/contract/tasks';
import {
  type FailureDocument,
  type Lab,
  cli,
  cliFailure,
  cliJson,
  journalsOf,
  recordsOf,
  shell,
  withWorkerInProcess,
} from '../helpers/e2e';
import {
  SmallDisk,
  type Surroundings,
  canMount,
  expectAsBefore,
  justBefore,
  startLabOnDisks,
  surroundingsOf,
} from '../helpers/small-disks';
import { until } from '../helpers/until';

jest.setTimeout(600_000);

const SITE = 'gazette.example';

type Place = 'backups' | 'spool' | 'web staging' | 'database server' | 'binary log';

/** Each of the five places a restore writes to on a disk of its own, and each way a disk can fail. */
(canMount ? describe : describe.skip)('disks (skipped where nothing can be mounted)', () => {
  let lab: Lab;
  let binaryLog: string;
  const disks = new Map<Place, SmallDisk>();
  let backup: BackupResult;
  let before: Surroundings;

  const diskOf = (place: Place): SmallDisk => {
    const disk = disks.get(place);
    if (!disk) throw new Error(`${place} has no disk`);
    return disk;
  };
  const mend = async (): Promise<void> => {
    for (const disk of disks.values()) disk.mend();
    // A server that lost its disk may have ended itself.
    if ((await lab.mariadb.query('SELECT 1').catch(() => '')) === '') await lab.mariadb.start();
  };

  beforeAll(async () => {
    binaryLog = mkdtempSync('/var/tmp/kedge-binary-log-');
    const disk = new SmallDisk(binaryLog);
    disks.set('binary log', disk);
    shell('chown', 'mysql', binaryLog);
    const started = await startLabOnDisks([`--log-bin=${binaryLog}/log`, '--log-bin-trust-function-creators=1']);
    ({ lab } = started);
    disks.set('backups', started.backups).set('spool', started.spool);
    await lab.mariadb.stop();
    disks.set('database server', SmallDisk.inPlaceOf(join(lab.folder, 'mariadb-data')));
    await lab.mariadb.start();
    disks.set('web staging', SmallDisk.inPlaceOf(join(lab.folder, 'srv')));
    shell('sed', '-i', `s/^  ${SITE}:$/&\\n    maintenanceLimit: 90s/`, lab.configuration);
    await cliJson(lab, 'sites', 'adopt', SITE);
    backup = await withWorkerInProcess(
      lab,
      (parts) => parts,
      () => cliJson<BackupResult>(lab, 'backup', SITE),
    );
    // What a first restore leaves for the next one (the staging folder) is there before.
    await withWorkerInProcess(
      lab,
      (parts) => parts,
      () => cliJson(lab, 'restore', SITE, backup.backup.id, '--yes'),
    );
    before = await surroundingsOf(lab);
  });
  afterEach(() => mend());
  afterAll(async () => {
    await lab?.mariadb.stop();
    for (const disk of disks.values()) disk.unmount();
    await lab?.stop();
    rmSync(binaryLog, { recursive: true, force: true });
  });

  type Failure = [string, (disk: SmallDisk) => void, RegExp];
  const FAILURES: Failure[] = [
    ['is full', (disk) => disk.leaveBytes(8 * 1024), /need \d+ bytes, the file system of \S+ has \d+$/],
    ['has no inodes left', (disk) => disk.leaveInodes(0), /need \d+ inodes, the file system of \S+ has 0$/],
    ['is read-only', (disk) => disk.makeReadOnly(), /the file system of \S+ is read-only$/],
  ];
  const PLACES: Place[] = ['backups', 'spool', 'web staging', 'database server', 'binary log'];

  /** A disk on which a server holds files open does not become read-only at a command. */
  const predictable = (place: Place): Failure[] =>
    place === 'database server' || place === 'binary log' ? FAILURES.slice(0, 2) : FAILURES;
  /** A server that cannot begin another binary log goes on without one. */
  const possibleMidway = (place: Place): Failure[] =>
    place === 'binary log' ? FAILURES.slice(0, 1) : predictable(place);

  describe.each(PLACES)('%s', (place) => {
    it.each(predictable(place))('%s: found before anything is done', async (_what, fail, message) => {
      const failure = await withWorkerInProcess(
        lab,
        (parts) => parts,
        async () => {
          fail(diskOf(place));
          return cliFailure(lab, 'restore', SITE, backup.backup.id, '--yes');
        },
      );
      expect(failure).toMatchObject({ code: 'DiskFull', exitCode: 1, site: SITE, state: 'the site is unchanged' });
      expect(failure.message).toMatch(message);
      expect(failure.message).toContain(place);
      await mend();
      await expectAsBefore(lab, before);
    });

    /** The last moment before the place is written to, and before a file on it is open, which keeps a disk writable. */
    const fault = (fail: () => void): ReturnType<typeof justBefore> =>
      ({
        backups: justBefore('archives', 'pack', fail),
        spool: justBefore('databaseServer', 'raiseFence', fail),
        'web staging': justBefore('archives', 'extract', fail),
        'database server': justBefore('databaseServer', 'createDatabase', fail),
        'binary log': justBefore('databaseServer', 'importDump', fail),
      })[place];

    it.each(possibleMidway(place))('%s in mid-restore: a clear error, and the site as before', async (_what, fail) => {
      let broken = false;
      const ended = await withWorkerInProcess(
        lab,
        fault(() => {
          fail(diskOf(place));
          broken = true;
        }),
        async () => {
          const outcome = await cli(lab, 'restore', SITE, backup.backup.id, '--yes', '--wait-turn', '--json');
          // What cannot be undone on a broken disk is undone once it is mended, without anybody's help.
          await mend();
          await until(
            'the task has ended',
            () => journalsOf(lab, 'restore').every((journal) => journal.outcome !== null),
            300_000,
          );
          return outcome;
        },
      );
      const failure = (JSON.parse(ended.stdout) as Partial<FailureDocument>).error;
      // Not some error of the test's own.
      expect(broken).toBe(true);
      // On a broken disk undo may have to wait too: then the command tells that it goes on.
      expect([1, 4]).toContain(ended.exitCode);
      if (ended.exitCode === 1) expect(failure).toMatchObject({ site: SITE, state: 'the site is as it was before' });
      await expectAsBefore(lab, before);
    });
  });

  it.each<Place>(['database server', 'spool'])(
    '%s is full in the middle of a proof: the backup is made, and nobody says that it could not be restored',
    async (place) => {
      const { database } = await cliJson<{ database: { database: string } }>(lab, 'sites', 'show', SITE);
      // Definitions that nobody has proved yet.
      const table = `${database.database}.added_for_${place.replace(' ', '_')}`;
      await lab.mariadb.query(`CREATE TABLE ${table} (a INT PRIMARY KEY)`);
      let filled = false;
      const fill = (): void => {
        diskOf(place).leaveBytes(0);
        filled = true;
      };
      const ended = await withWorkerInProcess(lab, justBefore('databaseServer', 'createDatabase', fill), async () => {
        const outcome = await cli(lab, 'backup', SITE, '--quiesce', '--json');
        await mend();
        await until(
          'the task has ended',
          () => journalsOf(lab, 'backup').every((journal) => journal.outcome !== null),
          300_000,
        );
        return outcome;
      });
      await lab.mariadb.query(`DROP TABLE ${table}`);
      expect(filled).toBe(true);
      if (place === 'spool') {
        // Where the dump itself has no room there is no backup.
        expect((JSON.parse(ended.stdout) as FailureDocument).error).toMatchObject({ code: 'DiskFull', site: SITE });
      } else {
        // The account of the site is let in again once the server can write that: until then the command tells that it goes on.
        expect([3, 4]).toContain(ended.exitCode);
        const [made] = recordsOf(lab, SITE);
        expect(made?.warnings[0]).toMatch(/^whether this backup can be restored here could not be tried: /);
        expect((await cli(lab, 'backups', 'delete', made?.id ?? '', '--yes')).exitCode).toBe(0);
      }
      await cli(lab, 'doctor', '--sweep');
      await expectAsBefore(lab, before);
    },
  );
});
