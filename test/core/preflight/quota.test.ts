import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkQuotas, readQuotas } from '../../../src/core/preflight/quota';
import { testOperation } from '../../helpers/operation';
import { localMachine } from '../hosts/local-machine';
import type { Machine } from '../hosts/machine';

/* No file system here has quotas: what `quota` of quota-tools prints is written by its manual, and was not taken from a server with them. */

const NOW = Date.UTC(2026, 10, 24);
const LATER = NOW / 1000 + 3600;
const HEAD = `Disk quotas for user alice (uid 1001): 
     Filesystem   blocks    quota    limit    grace    files    quota    limit    grace\n`;

describe('what quota prints', () => {
  const read = (text: string) => readQuotas(HEAD + text, NOW);

  it.each([
    ['limits of both kinds', '/srv 1200 1000000 1200000 0 30 1000 1200 0', 1_228_800_000, 1200],
    ['no limit', '/srv 1200 0 0 0 30 0 0 0', null, null],
    ['a soft limit alone, which stops nobody yet', '/srv 1200 1000000 0 0 30 1000 0 0', null, null],
    [
      'above the soft limit, for an hour more',
      `/srv 1100000* 1000000 1200000 ${LATER} 30 1000 1200 0`,
      1_228_800_000,
      1200,
    ],
    [
      'above the soft limit for too long',
      '/srv 1100000* 1000000 1200000 1764000 1100* 1000 1200 1764000',
      1_024_000_000,
      1000,
    ],
  ])('%s', (_what, line, bytes, files) => {
    expect(read(`  ${line}\n`)).toMatchObject([{ mount: '/srv', bytes: { limit: bytes }, files: { limit: files } }]);
  });

  it('several file systems, one with blanks in its name', () => {
    const quotas = read('   /srv 1 2 3 0 4 5 6 0\n   /media/my disk 7 8 9 0 1 2 3 0\n');
    expect(quotas.map(({ mount, bytes: { used } }) => [mount, used])).toEqual([
      ['/srv', 1024],
      ['/media/my disk', 7168],
    ]);
  });

  it('nothing where there are no quotas', () => {
    expect(readQuotas('Disk quotas for user alice (uid 1001): none\n', NOW)).toEqual([]);
    expect(readQuotas('', NOW)).toEqual([]);
  });
});

describe('room in quotas', () => {
  let machine: Machine;
  beforeAll(() => {
    machine = localMachine();
  });
  afterAll(() => machine.dispose());

  const MIB = 1024 * 1024;
  const owned = (uid: number, bytes: number, files = 10, gid = 1001) => ({ uid, gid, bytes, files });
  /** A `quota` that knows one user, and of the file system the test works on. */
  const program = async (numbers: string, exit = 0): Promise<string> => {
    const path = join(machine.folder, 'quota');
    const mount = machine.sh('stat -c %m "$1"', machine.folder).trim();
    await writeFile(
      path,
      `#!/bin/sh\necho "$@" >> '${machine.folder}/asked'\n[ "$1 $9" = "--user 1001" ] || exit 0\nprintf '%s' '${HEAD}'\necho '  ${mount} ${numbers}'\nexit ${exit}\n`,
    );
    await chmod(path, 0o755);
    return path;
  };
  const check = async (owners: ReturnType<typeof owned>[], numbers: string, exit = 0) => {
    const operation = testOperation();
    const needs = [
      { place: 'web staging', host: machine.host, path: join(machine.folder, 'not/yet'), bytes: 1, owners },
    ];
    await checkQuotas(needs, 'shop.example', operation, await program(numbers, exit));
    return operation.warnings;
  };

  test('what is live and what is to be unpacked count together, to the byte', async () => {
    // 10 of 20 MiB are used.
    const numbers = '10240 0 20480 0 100 0 200 0';
    expect(await check([owned(1001, 10 * MIB)], numbers)).toEqual([]);
    await expect(check([owned(1001, 10 * MIB + 4096)], numbers)).rejects.toMatchObject({
      code: 'DiskFull',
      site: 'shop.example',
      state: 'the site is unchanged',
      message: expect.stringMatching(
        new RegExp(
          `needs ${10 * MIB + 4096} bytes of the quota of user 1001 at /.* has ${10 * MIB} and may have ${20 * MIB}`,
        ),
      ),
      hint: expect.stringContaining('setquota'),
    });
    await expect(check([owned(1001, MIB, 101)], numbers)).rejects.toThrow('needs 101 files of the quota of user 1001');
    await expect(check([owned(1001, 6 * MIB), owned(1001, 6 * MIB, 10, 33)], numbers)).rejects.toThrow(
      `${12 * MIB} bytes`,
    );
  });

  test('files of others count for others, and root has no quota', async () => {
    const numbers = '10240 0 20480 0 100 0 200 0';
    expect(await check([owned(0, 100 * MIB, 1, 0), owned(1002, 100 * MIB), owned(1001, MIB)], numbers)).toEqual([]);
    expect(machine.sh('cat "$1/asked"', machine.folder)).not.toMatch(/--user .* 0$/m);
    expect(machine.sh('cat "$1/asked"', machine.folder)).toMatch(/^--group .* 1001$/m);
  });

  test('a machine without quotas, or without the program, keeps nobody from a restore', async () => {
    expect(await check([owned(1001, MIB)], '10240* 10 20480 0 100 0 200 0', 1)).toEqual([]);
    expect(await check([owned(1001, MIB)], '', 3)).toEqual([
      expect.stringMatching(/^the quota of user 1001 on here cannot be asked for/),
    ]);
    const operation = testOperation();
    const needs = [
      { place: 'web staging', host: machine.host, path: machine.folder, bytes: 1, owners: [owned(1001, 1e15)] },
    ];
    await checkQuotas(needs, 'shop.example', operation, 'quota-of-nobody');
    expect(operation.warnings).toEqual([]);
  });
});
