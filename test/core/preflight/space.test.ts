import { join } from 'node:path';
import type { Host } from '../../../src/core/hosts/host';
import { type SpaceNeed, checkSpace, roomAt } from '../../../src/core/preflight/space';
import { localMachine } from '../hosts/local-machine';
import type { Machine } from '../hosts/machine';

const MIB = 1024 * 1024;
const RESERVE = 16 * MIB;

describe('space for a task', () => {
  let machine: Machine;
  beforeAll(() => {
    machine = localMachine();
    if (machine.canMount)
      machine.sh(
        `cd "$1"; mkdir one two
         mount -t tmpfs -o size=32m kedge-test one; mount -t tmpfs -o size=64m kedge-test two; mkdir one/sub`,
        machine.folder,
      );
  });
  afterAll(() => {
    if (machine.canMount) machine.sh('umount "$1/one" "$1/two"', machine.folder);
    return machine.dispose();
  });
  const need = (place: string, path: string, bytes: number) => ({
    place,
    host: machine.host,
    path: join(machine.folder, path),
    bytes,
  });
  const check = (...needs: SpaceNeed[]) => checkSpace(needs, 'shop.example');

  const mounted = (what: string, work: () => Promise<void>): void =>
    test(what, async () => {
      if (machine.canMount) await work();
      else console.warn(`not tested, since nothing can be mounted here: ${what}`);
    });

  mounted('enough is enough, to the byte, with the reserve', async () => {
    await check(need('spool', 'one', 32 * MIB - RESERVE));
    await expect(check(need('spool', 'one', 32 * MIB - RESERVE + 1))).rejects.toMatchObject({
      code: 'DiskFull',
      site: 'shop.example',
      server: 'here',
      state: 'the site is unchanged',
      message: expect.stringMatching(
        new RegExp(`^spool on here need ${32 * MIB + 1} bytes, the file system of .*/one has ${32 * MIB}$`),
      ),
    });
  });

  mounted('needs on one file system are added up, those on others not', async () => {
    await check(need('spool', 'one', 10 * MIB), need('backups', 'two', 40 * MIB));
    await expect(
      check(need('spool', 'one', 10 * MIB), need('backups', 'one/sub', 7 * MIB), need('staging', 'two', MIB)),
    ).rejects.toMatchObject({ code: 'DiskFull', message: expect.stringMatching(/^spool, backups on here/) });
  });

  mounted('the same path on two hosts is two places, and each is named', async () => {
    const other = Object.assign(Object.create(machine.host) as Host, { name: 'there' });
    const [here, there] = [need('spool', 'one', 10 * MIB), { ...need('web staging', 'one', 10 * MIB), host: other }];
    await check(here, there);
    await expect(check(here, { ...there, bytes: 17 * MIB })).rejects.toMatchObject({
      ...{ code: 'DiskFull', server: 'there' },
      message: expect.stringMatching(/^web staging on there need /),
    });
    const free = (await machine.host.freeSpace(here.path)).bytes;
    expect(await roomAt([here, here, there])).toBe(2 * free);
  });

  mounted('a place that is yet to be made counts where it will be', async () => {
    await check(need('spool', 'two/not/yet', 20 * MIB));
    await expect(check(need('spool', 'one/not/yet', 20 * MIB))).rejects.toMatchObject({ code: 'DiskFull' });
  });

  mounted('inodes are counted, and a file system that is read-only takes nothing', async () => {
    machine.sh('mkdir "$1/few"; mount -t tmpfs -o size=64m,nr_inodes=200 kedge-test "$1/few"', machine.folder);
    try {
      const staging = (files: number) => check({ ...need('web staging', 'few', 0), files });
      await staging(199 - 64);
      await expect(staging(200 - 64)).rejects.toMatchObject({
        code: 'DiskFull',
        message: expect.stringMatching(/^web staging on here need 200 inodes, .*few has 199$/) as unknown,
      });
      machine.sh('mount -o remount,ro "$1/few"', machine.folder);
      await expect(check(need('backups', 'few/not/yet', 0))).rejects.toMatchObject({
        code: 'DiskFull',
        message: expect.stringMatching(/^backups on here: the file system of .*few is read-only$/) as unknown,
      });
    } finally {
      machine.sh('umount "$1/few"; rmdir "$1/few"', machine.folder);
    }
  });

  test('no need is no problem, an impossible one is', async () => {
    await check();
    await expect(check(need('spool', '', Number.MAX_SAFE_INTEGER))).rejects.toMatchObject({ code: 'DiskFull' });
  });
});
