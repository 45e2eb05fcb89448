import { join } from 'node:path';
import { createArchives } from '../../../src/core/archive/archives';
import type { MasterCommand, MasterHost } from '../../../src/core/hosts/master-host';
import { testOperation } from '../../helpers/operation';
import { ORIGIN, PackedSite, host } from './archive-fixture';

/** The host, where a program is killed from outside when it has taken a part of its input. */
function killing(program: string): MasterHost {
  const killed = ({ argv, ...command }: MasterCommand): MasterCommand => ({
    ...command,
    argv: argv[0] === program ? ['sh', '-c', '"$@" | head -c 5000; kill -9 $$', 'sh', ...argv] : argv,
  });
  return Object.assign(Object.create(host) as MasterHost, {
    run: (command: MasterCommand) => host.run(killed(command)),
  });
}

describe('a program that is killed is no fault of the archive', () => {
  let site: PackedSite;
  beforeAll(async () => {
    site = await PackedSite.make();
    site.sh('head -c 300000 /dev/urandom > large; echo small > small');
    await site.pack();
  });
  afterAll(() => site.remove());

  test('while it is read', async () => {
    await expect(createArchives(killing('zstd')).inspect(site.archive, ORIGIN, testOperation())).rejects.toMatchObject({
      code: 'ProgramKilled',
    });
    await expect(createArchives(host).inspect(site.archive, ORIGIN, testOperation())).resolves.toBeDefined();
  });

  test.each(['zstd', 'tar'])('while it is unpacked, %s', async (program) => {
    const folder = join(site.base, `unpacked-${program}`);
    const place = killing(program);
    await host.makeFolder(folder, { mode: 0o700 });
    const judged = await createArchives(host).inspect(site.archive, ORIGIN, testOperation());
    await expect(
      createArchives(place).extract(
        {
          path: site.archive,
          origin: ORIGIN,
          judged,
          host: place,
          folders: [{ name: 'site', path: folder }],
          dump: join(site.base, 'dump'),
        },
        testOperation(),
      ),
    ).rejects.toMatchObject({ code: 'ProgramKilled' });
  });
});

test('what declares to hold more than there is room for is not read to its end', async () => {
  const site = await PackedSite.make();
  try {
    site.sh('truncate -s 100000 hole');
    await site.pack();
    const inspect = (room: number) => createArchives(host).inspect(site.archive, ORIGIN, testOperation(), room);
    await expect(inspect(200_000)).resolves.toBeDefined();
    await expect(inspect(99_999)).rejects.toMatchObject({ code: 'DiskFull' });
    // The header alone, of a file of eight terabytes.
    site.sh(
      `rm hole; truncate -s 8T hole; tar --create --file=- --format=gnu . 2>/dev/null | head -c 4096 > ../archive`,
    );
    await expect(inspect(10 ** 12)).rejects.toMatchObject({ code: 'DiskFull' });
  } finally {
    await site.remove();
  }
});
