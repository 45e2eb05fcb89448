import { join } from 'node:path';
import type { Host } from '../../../src/core/hosts/host';
import { needsOfBackup, roomForSafetyBackup, sentencesOf } from '../../../src/core/preflight/safety-room';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import { Mirrors } from '../../../src/core/sync/mirrors';
import { localMachine } from '../hosts/local-machine';
import type { Machine } from '../hosts/machine';
import { targetIn } from '../../helpers/target';

const MIB = 1024 * 1024;

/** Two disks of 64 and 32 MiB, of which 16 stay free. */
describe('room for a safety backup', () => {
  let machine: Machine & { readonly host: MasterHost };
  let mirrors: Mirrors;
  beforeAll(() => {
    machine = localMachine();
    mirrors = new Mirrors(join(machine.folder, 'mirrors'), machine.host);
    if (machine.canMount)
      machine.sh(
        `cd "$1"; mkdir backups spool
         mount -t tmpfs -o size=64m kedge-test backups; mount -t tmpfs -o size=32m kedge-test spool`,
        machine.folder,
      );
  });
  afterAll(() => {
    if (machine.canMount) machine.sh('umount "$1/backups" "$1/spool"', machine.folder);
    return machine.dispose();
  });
  const room = (files: number, database: number, dumpToRestore = MIB) => {
    const [backups, spool] = [join(machine.folder, 'backups'), join(machine.folder, 'spool')];
    const target = targetIn(machine.folder, { site: { root: '/srv/shop' }, backups, spool });
    const others = [{ place: 'spool', host: machine.host, path: spool, bytes: dumpToRestore }];
    const hosts = { master: machine.host, host: machine.host, mirrors };
    return roomForSafetyBackup(hosts, target, { files, database }, others);
  };

  it('files that come from another host need room in its mirror too, the first time', async () => {
    const target = targetIn(machine.folder, { backups: '/b', spool: '/s' });
    const there = Object.assign(Object.create(machine.host) as Host, { name: 'there' });
    const bytes = { files: 100, database: 7 };
    const said = async (host: Host) =>
      (await needsOfBackup({ master: machine.host, host, mirrors }, target, bytes)).map((need) => [
        need.host.name,
        need.path,
        need.bytes,
      ]);
    const local = [
      ['here', '/b', 107],
      ['here', '/s', 7],
    ];
    expect(await said(machine.host)).toEqual(local);
    const { uri } = target.site;
    const mirror = mirrors.folderOf(uri);
    expect(await said(there)).toEqual([...local, ['here', mirror, 100]]);
    await mirrors.make(uri, '1-cut.1', []);
    expect(await said(there)).toEqual([...local, ['here', mirror, 100]]);
    await mirrors.conclude(uri, '1-cut.1', '{}');
    expect(await said(there)).toEqual([...local, ['here', mirror, 0]]);
  });

  it.each<[string, number, number, RegExp | null, RegExp | null]>([
    ['all of a site', 40 * MIB, 8 * MIB, null, null],
    ['no files, where they do not fit', 400 * MIB, 8 * MIB, /^backups on here need \d+ bytes, .* the files of /, null],
    ['no files, where not both fit', 41 * MIB, 8 * MIB, /the files of \/srv\/shop$/, null],
    [
      'no database, where it does not fit',
      8 * MIB,
      20 * MIB,
      null,
      /^spool on here need \d+ bytes, .* the database of /,
    ],
    ['nothing, where nothing fits', 50 * MIB, 20 * MIB, /the files of/, /the database of shop.example$/],
    ['no database, where there are no files', 0, 20 * MIB, null, /the database of/],
    ['no files, where there is no database', 50 * MIB, 0, /the files of/, null],
  ])('holds %s', async (_what, files, database, ofFiles, ofDatabase) => {
    if (!machine.canMount) return console.warn('not tested, since nothing can be mounted here');
    const { needs, setAside } = await room(files, database);
    if (ofFiles) expect(setAside.files).toMatch(ofFiles);
    else expect(setAside.files).toBeNull();
    if (ofDatabase) expect(setAside.database).toMatch(ofDatabase);
    else expect(setAside.database).toBeNull();
    const saved = [ofFiles ? 0 : files, ofDatabase ? 0 : database] as const;
    expect(needs.map(({ place, bytes }) => [place, bytes])).toEqual([
      ['backups', saved[0] + saved[1]],
      ['spool', saved[1]],
      ['spool', MIB],
    ]);
    expect(sentencesOf(setAside)).toHaveLength([ofFiles, ofDatabase].filter(Boolean).length);
  });

  it('is refused where what is restored has none, by what is needed at least', async () => {
    if (!machine.canMount) return console.warn('not tested, since nothing can be mounted here');
    await expect(room(400 * MIB, 20 * MIB, 17 * MIB)).rejects.toMatchObject({
      code: 'DiskFull',
      site: 'shop.example',
      state: 'the site is unchanged',
      message: expect.stringMatching(new RegExp(`^spool on here need ${33 * MIB} bytes`)) as unknown,
    });
  });
});
