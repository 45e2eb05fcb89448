import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, type Server, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { execFileSync } from 'node:child_process';
import { removeEmptyFolder } from '../../../../src/core/hosts/empty-folder';
import type { Command, Sandbox } from '../../../../src/core/hosts/host';
import { confine } from '../../../../src/core/hosts/sandbox';
import { systemCallFilter } from '../../../../src/core/hosts/rules/system-calls';
import { createLocalHost } from '../../../../src/core/hosts/local-host';
import { makeStagingFolder, stagingFolderFor } from '../../../../src/core/hosts/staging';
import {
  keepMaintenance,
  lowerMaintenance,
  maintenanceIsOn,
  raiseMaintenance,
} from '../../../../src/core/flags/maintenance';
import { withProbeFile } from '../../../../src/core/flags/probe-file';
import {
  type StagedFolder,
  discardedFolders,
  switchFolders,
  switchFoldersBack,
} from '../../../../src/core/sites/switch-folders';
import { pushFolder } from '../../../../src/core/sync/push-folder';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { describeAsRoot } from '../../../helpers/as-root';
import { testOperation } from '../../../helpers/operation';
import { OWNER, type RuledMachine, STRANGER, ruledMachine, ruledMachineOver } from '../../../helpers/ruled-machine';
import { until } from '../../../helpers/until';
import type { RuledHost } from '../../../../src/core/hosts/rules/ruled-host';
import { uniqueSleep } from '../machine';

/* What the rules of a server allow: that what Kedge does can be done, and what each of them refuses. */

describeAsRoot('the rules of a server', () => {
  let machine: RuledMachine;
  beforeAll(() => {
    machine = ruledMachine();
  });
  afterAll(() => machine.dispose());

  const at = (...names: string[]): string => machine.at(...names);
  const refusal = { name: 'KedgeError', code: 'HostRefused', server: 'web1' };
  const run = (argv: readonly [string, ...string[]], sandbox?: Sandbox, more: Partial<Command> = {}) =>
    machine.host.run({ argv, ...(sandbox ? { sandbox } : {}), operation: testOperation(), ...more });
  /** Runs a script of the shell as root. */
  const script = (text: string, sandbox: Sandbox) => run(['sh', '-c', `exec 2>&1; ${text}`], sandbox);

  let tasks = 0;
  /** A folder of a task, with a folder in it that waits to be put in the place of the site. */
  async function staged(): Promise<StagedFolder> {
    const staging = at('sites/.kedge', `task${(tasks += 1)}`);
    for (const made of [staging, `${staging}.previous`]) await makeStagingFolder(machine.host, made);
    await machine.host.makeFolder(`${staging}/1/site`, { mode: 0o700 });
    return { name: 'site', live: at('sites/shop'), staging, attempt: '1', previous: `${staging}.previous` };
  }
  const placeOf = ({ staging }: StagedFolder): string => `${staging}/1/site`;
  const written = (folder: StagedFolder): Sandbox => ({
    writable: [{ from: placeOf(folder), to: '/unpack' }],
    capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
  });

  describe('what Kedge does', () => {
    test('a restored folder is unpacked, put in its place and taken back, with owners and setgid bits', async () => {
      expect(await stagingFolderFor(machine.host, at('sites/shop'), 'token')).toBe(at('sites/.kedge/token'));
      machine.sh(
        'mkdir -p "$1/in" && echo new > "$1/in/index.php" && chmod 2775 "$1/in" && chown -R "$2:$3" "$1" && chmod 2775 "$1/in"',
        at('source'),
        String(OWNER.uid),
        String(OWNER.gid),
      );
      const archive = execFileSync('tar', ['-C', at('source'), '-cf', '-', '.']);
      const folder = await staged();
      await run(
        [
          'tar',
          '--extract',
          '--file=-',
          '--directory=/unpack',
          '--same-permissions',
          '--same-owner',
          '--numeric-owner',
        ],
        written(folder),
        { input: archive },
      );
      await switchFolders(machine.host, [folder]);
      const status = statSync(at('sites/shop/in'));
      expect([status.mode & 0o7777, status.uid, status.gid]).toEqual([0o2775, OWNER.uid, OWNER.gid]);
      await switchFoldersBack(machine.host, [folder]);
      expect(readFileSync(at('sites/shop/index.php'), 'utf8')).toBe('shop');
      for (const left of discardedFolders([folder])) await machine.host.removeTree(left, testOperation());
      expect(await removeEmptyFolder(machine.host, `${folder.staging}.previous`, testOperation())).toBe(true);
      expect(await machine.host.list(at('sites/.kedge'))).toEqual([]);
    });

    test('a restored folder is sent by rsync, with what is live', async () => {
      const folder = await staged();
      machine.sh(
        'mkdir -p "$1/d" && echo sent > "$1/d/new" && cp "$2/index.php" "$1" && chown -R "$3:$4" "$1" && chmod 2775 "$1/d"',
        at('sent'),
        at('sites/shop'),
        String(OWNER.uid),
        String(OWNER.gid),
      );
      const master = createLocalHost({ name: 'master' });
      const request = { from: at('sent'), host: machine.host, to: placeOf(folder), live: at('sites/shop') };
      await pushFolder(master, request, testOperation());
      await switchFolders(machine.host, [folder]);
      expect(readFileSync(at('sites/shop/d/new'), 'utf8')).toBe('sent\n');
      expect(statSync(at('sites/shop/d')).mode & 0o7777).toBe(0o2775);
      await switchFoldersBack(machine.host, [folder]);
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('what was there before goes back, also with what no restore could have brought', async () => {
      machine.sh('cp /bin/true "$1/tool"; chmod 4755 "$1/tool"; chown 7 "$1/index.php"', at('sites/shop'));
      const folder = await staged();
      await switchFolders(machine.host, [folder]);
      await switchFoldersBack(machine.host, [folder]);
      expect(statSync(at('sites/shop/tool')).mode & 0o7777).toBe(0o4755);
      machine.sh('rm "$1/tool"; chown 5 "$1/index.php"', at('sites/shop'));
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('a folder of the rules that is a site itself is put in its place, and taken back', async () => {
      const sites = [{ folder: at('sites/shop'), owners: [OWNER.user], staging: at('sites/.kedge') }];
      const host = ruledMachineOver({ ...machine, rules: { ...machine.rules, sites } });
      const folder = await staged();
      machine.sh('echo itself > "$1/index.php"; chown 5:60 "$1/index.php"', placeOf(folder));
      await switchFolders(host, [folder]);
      expect(readFileSync(at('sites/shop/index.php'), 'utf8')).toBe('itself\n');
      await switchFoldersBack(host, [folder]);
      expect(readFileSync(at('sites/shop/index.php'), 'utf8')).toBe('shop');
      await host.removeTree(folder.staging, testOperation());
    });

    test('a folder that holds something is not removed as an empty one', async () => {
      expect(await removeEmptyFolder(machine.host, at('sites/shop'), testOperation())).toBe(false);
    });

    test('flags and probe files come and go', async () => {
      const flags = at('flags');
      await raiseMaintenance(machine.host, flags, 'shop.example');
      expect(await maintenanceIsOn(machine.host, flags, 'shop.example')).toBe(true);
      const place = { host: machine.host, flags, uri: 'www.shop.example' };
      const token = '0123456789abcdef0123456789abcdef';
      await withProbeFile(place, `${token}.php`, '<?php', async (path) => {
        expect(readFileSync(path, 'utf8')).toBe('<?php');
      });
      await lowerMaintenance(machine.host, flags, 'shop.example');
      expect(await machine.host.list(flags)).toEqual(['www.shop.example.probe']);
    });

    test('a flag may go by itself, and with it what shuts an application in a folder of sites, and nothing else', async () => {
      const flags = at('flags');
      const file = { path: '.maintenance', content: 'x' };
      const raise = (root: string) =>
        raiseMaintenance(machine.host, flags, 'shop.example', { leftMs: 60_000, application: { root, ...file } });
      await expect(raise(at('outside'))).rejects.toMatchObject({ code: 'HostRefused' });
      await raise(at('sites/shop'));
      await keepMaintenance(machine.host, flags, 'shop.example', testOperation());
      expect(readFileSync(at('flags/shop.example'), 'utf8')).toBe('');
      await lowerMaintenance(machine.host, flags, 'shop.example');
      for (const content of ['words', '{}', '{"leftMs":1,"more":1}'])
        await expect(machine.host.writeFile(at('flags/shop.example'), content, { mode: 0o644 })).rejects.toMatchObject({
          code: 'HostRefused',
        });
      await expect(machine.host.writeFile(at('flags/.kedge.looked'), '', { mode: 0o644 })).rejects.toMatchObject({
        code: 'HostRefused',
      });
    });

    test('a site is looked through and read, by root and by its owner', async () => {
      const shown: Sandbox = {
        readOnly: [{ from: at('sites/shop'), to: '/srv/shop' }],
        capabilities: ['DAC_READ_SEARCH'],
      };
      expect((await run(['find', '/srv/shop', '-type', 'f', '-printf', '%P\\n'], shown)).stdout).toBe('index.php\n');
      const more = { owner: OWNER, environment: { GIVEN: 'a=b' } };
      const asOwner = await run(['sh', '-c', 'id -u; cat /srv/shop/index.php; echo $GIVEN'], shown, more);
      expect(asOwner.stdout).toBe(`${OWNER.uid}\nshopa=b\n`);
    });

    test('a hook writes to its site, as its owner', async () => {
      const sandbox = { writable: [{ from: at('sites/shop') }], network: true };
      await run(['touch', at('sites/shop/hooked')], sandbox, { owner: OWNER });
      expect(statSync(at('sites/shop/hooked')).uid).toBe(OWNER.uid);
      machine.sh('rm "$1"', at('sites/shop/hooked'));
    });

    test('settings that wait are shown in the place of those that are there', async () => {
      const folder = await staged();
      machine.sh('echo old > "$1/s.php"; echo new > "$1/.kedge-s.php"; chmod -R a+rX "$1"', placeOf(folder));
      const binds = [
        { from: placeOf(folder), to: '/srv/shop' },
        { from: `${placeOf(folder)}/.kedge-s.php`, to: '/srv/shop/s.php' },
      ];
      expect((await run(['cat', '/srv/shop/s.php'], { readOnly: binds }, { owner: OWNER })).stdout).toBe('new\n');
      machine.sh('rm "$1/s.php"; ln -s index.php "$1/s.php"', placeOf(folder));
      await expect(run(['true'], { readOnly: binds }, { owner: OWNER })).rejects.toMatchObject({ code: 'FileRefused' });
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('commands of the rules run, to the letter', async () => {
      expect((await run(['id', '-u'])).stdout).toBe('0\n');
      await run(['true', '-t']);
      // The test, as it tells the configuration.
      await run(['true', '-T']);
      for (const argv of [['id'], ['id', '-u', '-n'], ['/usr/bin/id', '-u'], ['sh', '-c', 'id -u']] as [string][])
        await expect(run(argv)).rejects.toMatchObject(refusal);
      await expect(run(['id', '-u'], undefined, { environment: { LD_PRELOAD: at('x.so') } })).rejects.toMatchObject(
        refusal,
      );
      await expect(run(['id', '-u'], undefined, { environment: { PATH: at('sites') } })).rejects.toMatchObject(refusal);
    });

    test('accounts, space and mounts are told as far as the rules name them', async () => {
      const { host } = machine;
      expect(await host.lookUpOwner(OWNER.user)).toEqual(OWNER);
      for (const user of ['root', STRANGER.user, '-s'])
        await expect(host.lookUpOwner(user)).rejects.toMatchObject(refusal);
      expect((await host.freeSpace(at('sites/shop'))).bytes).toBeGreaterThan(0);
      expect((await host.status('/'))?.type).toBe('folder');
      expect(await host.realPath(at('sites/shop'))).toBe(at('sites/shop'));
      await expect(host.freeSpace('/etc')).rejects.toMatchObject(refusal);
      expect(await host.mountsBelow('/')).not.toContain('/proc');
    });
  });

  describe('what runs as root', () => {
    test('makes nothing in the folder of a site that runs with its rights', async () => {
      const sandbox: Sandbox = {
        writable: [{ from: at('sites/shop'), to: '/shop' }],
        capabilities: ['FOWNER', 'DAC_OVERRIDE'],
      };
      const attempts = [
        'cp /bin/sh /shop/x && chmod 4755 /shop/x',
        'cp /bin/sh /shop/x && chmod 2755 /shop/x',
        `perl -e 'my $p = "/shop/y"; exit(syscall(2, $p, 0101, 04755) < 0 ? 1 : 0)'`,
        `perl -e 'my $p = "/shop/z"; exit(syscall(133, $p, 0104755, 0) < 0 ? 1 : 0)'`,
        'mkdir /shop/d && chmod 2777 /shop/d',
      ];
      for (const attempt of attempts)
        await expect(script(attempt, sandbox)).rejects.toMatchObject({ code: 'ProgramFailed' });
      expect(machine.sh('find "$1" -perm /6000', at('sites/shop'))).toBe('');
      machine.sh('cd "$1" && rm -rf x y z d', at('sites/shop'));
      await expect(script('true', { ...sandbox, capabilities: ['FSETID'] })).rejects.toMatchObject(refusal);
    });

    test('gives files to owners of sites alone', async () => {
      const folder = await staged();
      const tell = `touch /unpack/f; chown ${OWNER.uid} /unpack/f && echo owner; chown ${STRANGER.uid} /unpack/f || echo refused`;
      const { stdout } = await script(tell, written(folder));
      expect(stdout).toMatch(/^owner\n.*Operation not permitted\nrefused\n$/s);
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('opens no file by its number, makes no socket and no namespace', async () => {
      const sandbox: Sandbox = {
        readOnly: [{ from: at('sites/shop'), to: '/shop' }],
        capabilities: ['DAC_READ_SEARCH'],
      };
      const handle = `perl -e 'opendir(D, "/shop"); my $h = pack("IiQQ", 8, 1, 2, 0); my $r = syscall(304, fileno(D), $h, 0); print "$!\\n"'`;
      const socket = `perl -e 'syscall(41, 1, 1, 0); print "$!\\n"'`;
      const forbidden = 'Operation not permitted\n';
      expect((await script(handle, sandbox)).stdout).toBe(forbidden);
      expect((await script(socket, sandbox)).stdout).toBe(forbidden);
      await expect(script('unshare --user true', sandbox)).rejects.toMatchObject({ code: 'ProgramFailed' });
    });

    test('takes descriptors from nobody: its pairs of sockets are streams, which nobody else speaks to', async () => {
      const pair = async (type: string): Promise<string> => {
        const make = `perl -MSocket -e 'print socketpair(A, B, AF_UNIX, ${type}, 0) ? "made" : "$!"'`;
        return (await script(make, {})).stdout;
      };
      expect(await pair('SOCK_STREAM')).toBe('made');
      for (const type of ['SOCK_DGRAM', 'SOCK_DGRAM | 02000000', 'SOCK_RAW', 'SOCK_SEQPACKET'])
        expect([type, await pair(type)]).toEqual([type, 'Operation not permitted']);
      const sandbox: Sandbox = { writable: [{ from: at('sites/shop'), to: '/shop' }], capabilities: ['DAC_OVERRIDE'] };
      const bind = `perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); print bind(A, pack_sockaddr_un("/shop/p")) ? "bound" : "$!"'`;
      expect((await script(bind, sandbox)).stdout).toBe('Operation not permitted');
    });

    test('may give files to any of very many owners', async () => {
      const owners = Array.from({ length: 300 }, (_, at) => at + 1000);
      expect(() => systemCallFilter({ owners, specialBits: true })).not.toThrow();
    });

    test('reads no keys and passwords of the system', async () => {
      machine.sh(
        'install -d -m 710 /etc/ssl/private; umask 077; echo canary > /etc/ssl/private/kedge-test-$1.key',
        String(process.pid),
      );
      try {
        const { stdout } = await script('cat /etc/ssl/private/*; ls /etc/ssl/private', {});
        expect(stdout).not.toMatch(/canary|kedge-test/);
      } finally {
        machine.sh('rm /etc/ssl/private/kedge-test-$1.key', String(process.pid));
      }
    });

    test.each([
      ['a file that runs as root', 'cp /bin/sh x; chmod 4755 x', /with the rights of account 0/],
      ['a file that runs with the group of root', `cp /bin/sh x; chown ${OWNER.uid} x; chmod 2755 x`, /group 0/],
      ['a file whose other name stays behind', 'touch x; mkdir ../left; ln x ../left/y', /another name elsewhere/],
      ['a file of another account', `touch x; chown ${STRANGER.uid} x`, /files of account 7/],
      ['a device', 'mknod x c 1 3', /a device/],
    ])('%s is not put in the place of a site', async (_what, make, message) => {
      const folder = await staged();
      // By whatever way it came there.
      machine.sh(`cd "$1" && ${make}`, placeOf(folder));
      const switching = machine.host.rename(placeOf(folder), at('sites/fresh'));
      await expect(switching).rejects.toMatchObject({ ...refusal, message: expect.stringMatching(message) });
      expect(await machine.host.status(at('sites/fresh'))).toBeUndefined();
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('an owner’s own setuid file, and hard links within the folder, are', async () => {
      const folder = await staged();
      machine.sh(
        'cd "$1" && cp /bin/true x && chown $2:$3 x && chmod 6755 x && touch a && ln a b',
        placeOf(folder),
        String(OWNER.uid),
        String(OWNER.gid),
      );
      await machine.host.rename(placeOf(folder), at('sites/fresh'));
      expect(statSync(at('sites/fresh/x')).mode & 0o7777).toBe(0o6755);
      machine.sh('rm -r "$1"', at('sites/fresh'));
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('nothing is put in its place while something could change it, in another process too', async () => {
      const folder = await staged();
      const other = ruledMachineOver(machine);
      const sleep = uniqueSleep();
      const operation = testOperation();
      const running = other
        .run({ argv: ['sleep', sleep], sandbox: written(folder), operation })
        .catch((error: unknown) => error);
      let isMoved = false;
      let moving: Promise<unknown> | undefined;
      try {
        await until('it runs', () => machine.sh('pgrep -fxc "sleep $1" || true', sleep).trim() !== '0');
        moving = machine.host.rename(placeOf(folder), at('sites/fresh')).then(() => (isMoved = true));
        const waits = (): boolean => machine.sh('pgrep -fxc "flock --exclusive 0" || true').trim() !== '0';
        await until('the move waits, or is done', () => isMoved || waits());
        expect(isMoved).toBe(false);
      } finally {
        operation.cancel();
        await running;
        await moving;
      }
      machine.sh('rm -r "$1"', at('sites/fresh'));
      await machine.host.removeTree(folder.staging, testOperation());
    });
  });

  describe('what is shown to a program', () => {
    const shown = (from: string, to: string, more: object = {}) => run(['true'], { readOnly: [{ from, to }] }, more);

    test('runs as no other account', async () => {
      await expect(shown(at('sites/shop'), '/srv/shop', { owner: STRANGER })).rejects.toMatchObject(refusal);
    });

    test.each(['/usr/bin', '/etc', '/etc/ld.so.preload', '/', '/lib64', '/proc/self', '/tmp', '/srv/../usr'])(
      'does not lie at %s',
      async (to) => {
        await expect(shown(at('sites/shop'), to)).rejects.toMatchObject(refusal);
      },
    );

    test('does not lie within another', async () => {
      const readOnly = [
        { from: at('sites/shop'), to: '/srv' },
        { from: at('sites/shop/index.php'), to: '/srv/other.php' },
      ];
      await expect(run(['true'], { readOnly })).rejects.toMatchObject(refusal);
      const folder = await staged();
      machine.sh('touch "$1/a" "$1/b"', placeOf(folder));
      const outer = { from: placeOf(folder), to: '/srv' };
      const writable = [{ from: `${placeOf(folder)}/a`, to: '/srv/b' }];
      await expect(run(['true'], { readOnly: [outer], writable })).rejects.toMatchObject(refusal);
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('is written to in no folder of before, and in none of several tasks', async () => {
      const folder = await staged();
      await machine.host.makeFolder(`${folder.previous}/site`, { mode: 0o700 });
      for (const from of [`${folder.previous}/site`, at('sites/.kedge'), at('sites')])
        await expect(run(['true'], { writable: [{ from, to: '/it' }] })).rejects.toMatchObject(refusal);
      for (const path of [folder.staging, folder.previous ?? '']) await machine.host.removeTree(path, testOperation());
    });

    test('is written to while nobody else gets into the staging folder', async () => {
      const folder = await staged();
      machine.sh('chmod 711 "$1"', at('sites/.kedge'));
      await expect(run(['true'], written(folder))).rejects.toMatchObject({ code: 'OwnerRefused' });
      machine.sh('chmod 700 "$1"', at('sites/.kedge'));
      await run(['true'], written(folder));
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('is behind no link, whoever laid it', async () => {
      const folder = await staged();
      machine.sh('ln -s "$1" "$2/out"', at('outside'), placeOf(folder));
      const refusedLink = { code: 'FileRefused', message: expect.stringContaining('symbolic link') };
      await expect(shown(`${placeOf(folder)}/out`, '/it')).rejects.toMatchObject(refusedLink);
      await expect(machine.host.status(`${placeOf(folder)}/out/secret`)).rejects.toMatchObject(refusedLink);
      await expect(machine.host.makeFolder(`${placeOf(folder)}/out/x`, { mode: 0o700 })).rejects.toMatchObject(
        refusedLink,
      );
      await machine.host.removeTree(folder.staging, testOperation());
    });

    test('is no program elsewhere, nor more room than anybody gets', async () => {
      for (const program of ['/root/tool', '/usr/../root/tool', './tool', `${at('outside')}/tool`])
        await expect(run([program], {})).rejects.toMatchObject({
          ...refusal,
          message: expect.stringContaining('running'),
        });
      await run(['/usr/bin/true'], {});
      const limits = { temporaryBytes: 10 * 1024 ** 3, memoryBytes: 1024 ** 5, processes: 10_000 };
      const { stdout } = await run(['df', '--output=size', '-B1', '/tmp'], {}, { limits });
      expect(Number(stdout.split('\n')[1])).toBe(256 * 1024 ** 2);
    });

    test('has no network, but for hooks', async () => {
      for (const more of [{}, { owner: OWNER }])
        await expect(run(['true'], { network: true }, more)).rejects.toMatchObject(refusal);
      const quiet = ruledMachineOver({
        ...machine,
        rules: { ...machine.rules, sites: [{ folder: at('sites'), owners: ['games'] }] },
      });
      const sandbox = { writable: [{ from: at('sites/shop') }] };
      await expect(
        quiet.run({ argv: ['true'], sandbox, owner: OWNER, operation: testOperation() }),
      ).rejects.toMatchObject(refusal);
    });
  });

  test('variables reach a program when it is its owner’s, and not who makes it so', async () => {
    // LD_PRELOAD would have been loaded by root, who may still become anybody.
    const command = { argv: ['true'] as [string], owner: OWNER, environment: { LD_PRELOAD: '/srv/shop/x.so' } };
    const means = { privileged: true, means: 'account' as const, waits: false };
    const line = confine({ ...command, operation: testOperation() }, {}, means);
    expect(line.slice(0, line.indexOf('setpriv')).join(' ')).not.toContain('LD_PRELOAD');
    const asked = await run(['env'], {}, { owner: OWNER, environment: { GIVEN: 'x' } });
    expect(asked.stdout).toContain('GIVEN=x\n');
  });

  test('rules that root writes anew hold from the next request on, also where those of before were none', async () => {
    const file = at('written.yaml');
    const write = (names: string[]): void => {
      const text = stringify({ ...machine.rules, web: { ...machine.rules.web, names: [], withoutVhost: names } });
      writeFileSync(`${file}.new`, names.length === 0 ? 'no: rules' : text, { mode: 0o644 });
      renameSync(`${file}.new`, file);
    };
    write([]);
    const host = ruledMachineOver(machine, undefined, file);
    await expect(host.status(at('sites'))).rejects.toMatchObject(refusal);
    write(['one.example']);
    await raiseMaintenance(host, at('flags'), 'one.example');
    await expect(raiseMaintenance(host, at('flags'), 'two.example')).rejects.toMatchObject(refusal);
    write(['one.example', 'two.example']);
    await raiseMaintenance(host, at('flags'), 'two.example');
    // The flag alone: a vhost of such a site is not Kedge's.
    await expect(host.status(at('vhosts/two.example.conf'))).rejects.toMatchObject(refusal);
    for (const name of ['one.example', 'two.example']) await lowerMaintenance(host, at('flags'), name);
  });

  test('connections are made to sockets and ports of the rules, and to where the web server listens', async () => {
    const server = createServer((socket) => socket.end('hello'));
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    );
    const { signal } = testOperation();
    const own = ruledMachineOver({
      ...machine,
      rules: { ...machine.rules, connect: { ports: [{ host: 'localhost', port }], sockets: [at('php.sock')] } },
    });
    const web = ruledMachineOver({
      ...machine,
      rules: { ...machine.rules, web: { ...machine.rules.web!, listen: [{ address: '*', port }] } },
    });
    try {
      const socket = await web.connectTo({ host: '127.0.0.1', port }, signal);
      expect(await text(socket)).toBe('hello');
      // Nobody listens there; that is the system's word.
      await expect(own.connectTo({ socketPath: at('php.sock') }, signal)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(own.connectTo({ host: '127.0.0.1', port }, signal)).rejects.toMatchObject(refusal);
      // The name is looked up here.
      const claimed = await own.connectTo({ host: 'localhost', port }, signal);
      expect(await text(claimed)).toBe('hello');
      await expect(own.connectTo({ socketPath: '/run/docker.sock' }, signal)).rejects.toMatchObject(refusal);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  describe('a socket of the rules', () => {
    let folder: string;
    /** The path that stands in the rules. */
    let listed: string;
    let servers: Server[];
    beforeEach(() => {
      servers = [];
      folder = mkdtempSync(at('sockets-'));
      machine.sh('chmod 755 "$1"; mkdir "$1/app" "$1/app/run"', folder);
      listed = join(folder, 'app/php.sock');
    });
    afterEach(async () => {
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
    });

    const listen = async (path: string, words: string): Promise<void> => {
      const server = createServer((socket) => socket.end(words));
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(path, resolve));
    };
    const docker = async (): Promise<string> => {
      const path = join(folder, 'docker.sock');
      await listen(path, 'docker');
      return path;
    };
    const answer = async (signal = testOperation().signal): Promise<string> => {
      const rules = { ...machine.rules, connect: { sockets: [listed] } };
      return text(await ruledMachineOver({ ...machine, rules }).connectTo({ socketPath: listed }, signal));
    };
    const give = (...paths: string[]): void => {
      for (const path of paths) chownSync(path, OWNER.uid, OWNER.gid);
    };

    test('may be anybody’s, as may its folder, and leaves nothing open', async () => {
      await listen(listed, 'php');
      give(listed, join(folder, 'app'));
      const open = (): number => readdirSync('/proc/self/fd').length;
      const before = open();
      for (let times = 0; times < 30; times += 1) expect(await answer()).toBe('php');
      await until('what was opened is closed', () => open() < before + 10);
    });

    test('is found by links that root laid', async () => {
      await listen(listed, 'php');
      symlinkSync('app', join(folder, 'linked'));
      symlinkSync('linked/php.sock', join(folder, 'now.sock'));
      listed = join(folder, 'now.sock');
      expect(await answer()).toBe('php');
    });

    test('that is gone, and one that its server has left, are told by the system’s words, with the path', async () => {
      await listen(listed, 'php');
      renameSync(listed, `${listed}.kept`);
      await expect(answer()).rejects.toMatchObject({
        code: 'ENOENT',
        server: 'web1',
        message: `connect ENOENT ${listed}`,
      });
      renameSync(`${listed}.kept`, listed);
      machine.sh(
        `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' "$1"`,
        `${listed}.left`,
      );
      listed = `${listed}.left`;
      const refusedThere = { code: 'ECONNREFUSED', server: 'web1', message: `connect ECONNREFUSED ${listed}` };
      await expect(answer()).rejects.toMatchObject(refusedThere);
    });

    const HOSTILE: Record<string, (docker: string) => void> = {
      'a link to another': (docker) => symlinkSync(docker, listed),
      'a link that is root’s, brought there': (docker) => {
        symlinkSync(docker, join(folder, 'link'));
        give(join(folder, 'app'));
        renameSync(join(folder, 'link'), listed);
      },
      'a link that is root’s, where all may bring theirs': (docker) => {
        symlinkSync(docker, listed);
        chownSync(join(folder, 'app'), 0, 0);
        chmodSync(join(folder, 'app'), 0o1777);
      },
      'another name of another': (docker) => linkSync(docker, listed),
      'no socket': () => writeFileSync(listed, ''),
    };
    test.each(Object.keys(HOSTILE))('is not reached where its owner has laid %s', async (what) => {
      give(join(folder, 'app'));
      HOSTILE[what]?.(await docker());
      await expect(answer()).rejects.toMatchObject({ code: 'FileRefused', message: expect.stringContaining(listed) });
    });

    test('is not reached by way of a folder that others put in the place of one', async () => {
      await docker();
      listed = join(folder, 'app/run/docker.sock');
      give(join(folder, 'app'));
      renameSync(join(folder, 'app/run'), join(folder, 'app/before'));
      symlinkSync(folder, join(folder, 'app/run'));
      await expect(answer()).rejects.toMatchObject({ code: 'FileRefused' });
      unlinkSync(join(folder, 'app/run'));
      // One that was there before, elsewhere.
      mkdirSync(join(folder, 'app/run'));
      await listen(listed, 'another');
      await expect(answer()).rejects.toMatchObject({
        code: 'OwnerRefused',
        message: `${listed} on web1 lies in a folder that others than root can move`,
        hint: expect.stringContaining(join(folder, 'app')),
      });
    });

    test('is not waited for when nobody wants it any more', async () => {
      await listen(listed, 'php');
      await expect(answer(AbortSignal.abort(new Error('no longer wanted')))).rejects.toThrow('no longer wanted');
    });
  });

  describe('folders of the web server, below one that others may change', () => {
    /** The same machine, whose flags and vhosts lie in a folder of an account. */
    const moved = (): RuledHost => {
      const web = { ...machine.rules.web!, vhosts: at('owned/vhosts'), flags: at('owned/flags') };
      return ruledMachineOver({ ...machine, rules: { ...machine.rules, web } });
    };
    const attributes = { mode: 0o644 };
    const token = '0123456789abcdef0123456789abcdef';
    const site = { uri: 'shop.example', aliases: [], kind: 'php' as const, root: '', phpSocket: '' };
    const ATTEMPTS: Record<string, (host: RuledHost) => Promise<unknown>> = {
      'to make the folder of flags': (host) => host.makeFolder(at('owned/flags'), { mode: 0o755 }),
      'to raise a flag': (host) => host.writeFile(at('owned/flags/shop.example'), '', attributes),
      'to lower it': (host) => host.removeFile(at('owned/flags/shop.example')),
      'to lay a probe': (host) => host.writeFile(at(`owned/flags/shop.example.probe/${token}`), 'x', attributes),
      'to make a folder of probes': (host) => host.makeFolder(at('owned/flags/shop.example.probe'), { mode: 0o711 }),
      'to list flags': (host) => host.list(at('owned/flags')),
      'to look at a flag': (host) => host.status(at('owned/flags/shop.example')),
      'to take the lock of flags': (host) =>
        host.withLock(at('owned/flags/.kedge.lock'), testOperation(), async () => undefined),
      'to take the lock of vhosts': (host) =>
        host.withLock(at('owned/vhosts/.kedge.lock'), testOperation(), async () => undefined),
      'to read a vhost': (host) => host.readFile(at('owned/vhosts/shop.example.conf')),
      'to remove a vhost': (host) =>
        host.putVhostFile({ path: at('owned/vhosts/shop.example.conf'), site, sha256: null }),
      'to learn of room': (host) => host.freeSpace(at('owned/flags')),
      'to open what is overdue': (host) => host.assertTrusted(at('owned/flags')),
    };
    const everything = (): string =>
      machine.sh('cd "$1"; find owned outside -printf "%p %y %s\n" | sort', machine.folder);
    afterEach(() => machine.sh('cd "$1"; rm -rf owned outside/vhosts outside/flags', machine.folder));

    test.each([
      ['who owns it', 'mkdir "$1"; chown 5:60 "$1"; mkdir "$1/vhosts" "$1/flags"'],
      ['everybody', 'mkdir "$1"; chmod 777 "$1"; mkdir "$1/vhosts" "$1/flags"'],
      ['who has laid it as a link', 'ln -s outside "$1"; chown -h 5:60 "$1"; mkdir -p "$1/vhosts" "$1/flags"'],
      ['who may make what is missing', 'mkdir "$1"; chown 5:60 "$1"'],
    ])('are not written to, nor read: %s', async (_whom, make) => {
      machine.sh(make, at('owned'));
      const before = everything();
      const host = moved();
      for (const [what, attempt] of Object.entries(ATTEMPTS)) {
        const error = await attempt(host).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        expect([what, error]).toEqual([what, expect.objectContaining({ code: 'OwnerRefused' })]);
      }
      expect(everything()).toBe(before);
    });

    test('are, where root has laid a link to them', async () => {
      machine.sh('ln -s . "$1"', at('owned'));
      await raiseMaintenance(moved(), at('owned/flags'), 'shop.example');
      await lowerMaintenance(moved(), at('owned/flags'), 'shop.example');
    });
  });

  test('a command of the rules runs while root alone can change what it names', async () => {
    machine.sh('printf "#!/bin/sh\n" > "$1"; chmod 755 "$1"', at('reload'));
    const argv = [at('reload'), `--file=${at('reload')}`] as const;
    const host = ruledMachineOver({ ...machine, rules: { ...machine.rules, commands: [[...argv]] } });
    await host.run({ argv, operation: testOperation() });
    chownSync(at('reload'), OWNER.uid, OWNER.gid);
    await expect(host.run({ argv, operation: testOperation() })).rejects.toMatchObject({ code: 'OwnerRefused' });
  });

  test('a vhost is made of what the rules name', async () => {
    const site = {
      uri: 'shop.example',
      aliases: [],
      kind: 'php' as const,
      root: at('sites/shop'),
      phpSocket: '/run/php/other.sock',
    };
    const path = at('vhosts/shop.example.conf');
    const putting = machine.host.putVhostFile({ path, site, sha256: 'a'.repeat(64) });
    await expect(putting).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining('/run/php/other.sock'),
    });
  });

  describe('marks', () => {
    test('of others are neither seen nor ended', async () => {
      const plain = createLocalHost({ name: 'here' });
      const other = ruledMachineOver(machine, 'backup2');
      const operation = testOperation();
      const sleeps = [plain, other, machine.host].map((host) => {
        const sleep = uniqueSleep();
        return host.run({ argv: ['sleep', sleep], sandbox: {}, operation }).catch((error: unknown) => error);
      });
      try {
        await until('all run', async () => {
          const marks = await plain.listMarks();
          return marks.filter((mark) => mark.includes(operation.mark)).length === 3;
        });
        const seen = (await machine.host.listMarks()).filter((mark) => mark.includes(operation.mark));
        expect(seen).toEqual([expect.stringMatching(`^${operation.mark}/`)]);
        for (const mark of [`of-backup2/${operation.mark}`, `../${operation.mark}`, 'of-backup2', ''])
          expect(await machine.host.endProcesses(mark)).toBe(0);
        expect(await machine.host.endProcesses(operation.mark)).toBeGreaterThan(0);
        expect(await other.endProcesses(operation.mark)).toBeGreaterThan(0);
        expect(await plain.endProcesses(operation.mark)).toBeGreaterThan(0);
      } finally {
        operation.cancel();
        await Promise.all(sleeps);
      }
    });

    test('processes of others with sockets are not ended', async () => {
      for (const uid of [0, STRANGER.uid])
        await expect(machine.host.endSocketHolders(new Set([1]), uid)).rejects.toMatchObject(refusal);
      expect(await machine.host.endSocketHolders(new Set([1]), OWNER.uid)).toBe(0);
    });
  });

  test('without rules nothing is done, and the command that mends it is told', async () => {
    const missing = ruledMachineOver(machine, undefined, at('no.yaml'));
    await expect(missing.status('/')).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining('does not exist'),
      hint: expect.stringContaining('`kedge servers prepare web1`'),
    });
  });
});
