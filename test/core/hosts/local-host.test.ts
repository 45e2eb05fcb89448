import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { mountPointsBelow } from '../../../src/core/hosts/mounts';
import { describeHost } from './host-contract';
import { describeMaster } from './master-contract';
import { localMachine } from './local-machine';
import { describeSandbox } from './sandbox-contract';
import { type Machine, works } from './machine';
import { testOperation } from '../../helpers/operation';

describeHost('local', () => localMachine());
describe('the master', () => {
  describeMaster(() => localMachine());
});

// What a machine without control groups has in their place.
for (const atBest of ['user-namespace', 'account'] as const) {
  describe(`limited by ${atBest}`, () => {
    describeSandbox(() => localMachine(atBest));
  });
}

describe('this machine', () => {
  let machine: Machine;
  beforeAll(() => {
    machine = localMachine();
  });
  afterAll(() => machine.dispose());

  test('a confined program reaches no port of this machine, unless network is asked for', async () => {
    const server = createServer((socket) => socket.end('reached'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const ask = (network: boolean) =>
      machine.host.run({
        argv: ['bash', '-c', `exec 2>/dev/null; cat < /dev/tcp/127.0.0.1/${port}`],
        sandbox: { network },
        acceptExitCodes: [0, 1],
        operation: testOperation(),
      });
    try {
      expect((await ask(false)).stdout).toBe('');
      expect((await ask(true)).stdout).toBe('reached');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  const canTrace = works('strace', '-o', '/dev/null', 'true');
  (canTrace ? test : test.skip)(
    'files are written and secrets handed over as promised, seen by strace (needs strace and leave to trace)',
    () => {
      const trace = join(machine.folder, 'trace');
      const calls =
        'write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,fchmod,fchown,openat,unlink,mkdir';
      execFileSync('strace', [
        ...['-f', '-y', '-s', '4096', '-o', trace, '-e', `trace=${calls}`],
        ...[process.execPath, '-r', join(__dirname, '../../helpers/run-typescript.js')],
        ...[join(__dirname, 'traced-worker.ts'), machine.folder],
      ]);
      // Calls of other threads come between the parts of a call that waits.
      const lines = readFileSync(trace, 'utf8').split('\n');
      const first = (what: string, pattern: RegExp, after = -1): number => {
        const found = lines.findIndex((line, at) => at > after && pattern.test(line));
        if (found === -1) throw new Error(`the trace shows no ${what} after line ${after}`);
        return found;
      };

      const written = first('write of the content', /p?write.*\.file\.[0-9a-f]+\.tmp>, "durable-content/);
      const moded = first('mode', /fchmod\(.*\.file\..*\.tmp>, 0640\)/, written);
      const synced = first('fsync of the file', /f(data)?sync\(.*\.file\..*\.tmp>/, moded);
      const renamed = first('rename', /rename.*\.file\..*\.tmp", .*"[^"]*\/folder\/file"/, synced);
      const folder = first('fsync of the folder', /fsync\(\d+<[^>]*\/folder>/, renamed);
      const made = first('mkdir', /mkdir\("[^"]*\/made"/, folder);
      first('fsync of the parent', /fsync\(\d+<[^>]*\/folder>/, made);

      const secret = first('write of the secret', /write.*"canary-traced-secret"/);
      expect(lines[secret]).toMatch(/ \(deleted\)|\/#\d+/);
      const named = lines.filter((line) => /openat.*"\/(dev\/shm|tmp)\/[^"]+".*O_CREAT/.test(line));
      expect(named).toEqual([]);
    },
  );

  test('mount points are read as the kernel writes them', () => {
    const line = (point: string): string => `36 35 98:0 / ${point} rw,noatime master:1 - ext3 /dev/root rw`;
    const bytes = (text: string): string => Buffer.from(text).toString('latin1');
    const mountinfo = [
      line('/'),
      line('/srv/a\\040b'),
      line('/srv/a\\011\\012\\134x'),
      line(bytes('/srv/größe')),
      line('/srv/a\\040b'),
      line('/srvx'),
      '',
    ].join('\n');
    expect(mountPointsBelow(mountinfo, '/srv')).toEqual(['/srv/a\t\n\\x', '/srv/a b', '/srv/größe']);
    expect(mountPointsBelow(mountinfo, '/srv/größe')).toEqual(['/srv/größe']);
    expect(mountPointsBelow(mountinfo, '/')).toHaveLength(5);
    expect(mountPointsBelow(mountinfo, '/sr')).toEqual([]);
  });
});
