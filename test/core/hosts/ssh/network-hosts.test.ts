import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { freePort } from '../../../../scripts/lab/free-port';
import { firstBytes } from '../../../../src/core/first-bytes';
import type { SocketAddress } from '../../../../src/core/hosts/host';
import type { RemoteHost } from '../../../../src/core/hosts/remote/remote-host';
import { createLocalHost } from '../../../../src/core/hosts/local-host';
import { describeAsRoot } from '../../../helpers/as-root';
import { type NetworkHost, NetworkHosts } from '../../../../scripts/lab/network-hosts';
import { testOperation } from '../../../helpers/operation';
import { until } from '../../../helpers/until';
import { describeFiles } from '../files-contract';
import { type Machine, processesWith, uniqueSleep } from '../machine';

describeAsRoot('machines of their own', () => {
  let machines: NetworkHosts;
  let web1: NetworkHost;
  let db1: NetworkHost;
  const hosts: RemoteHost[] = [];
  beforeAll(async () => {
    machines = await NetworkHosts.open(['web1', 'db1']);
    web1 = machines.get('web1');
    db1 = machines.get('db1');
  });
  afterAll(async () => {
    for (const host of hosts) await host.close();
    await machines.close();
  });

  let folders = 0;
  /** One of them, with a fresh folder of its own. */
  function machineOf(of: NetworkHost, ...more: Parameters<NetworkHost['host']>): Machine {
    const host = of.host(...more);
    hosts.push(host);
    const folder = `/srv/test-${(folders += 1)}`;
    of.sh('mkdir -m 755 "$1"', folder);
    return {
      host,
      folder,
      owner: { user: 'games', uid: 5, gid: 60 },
      canMount: true,
      sh: (script, ...parameters) => of.sh(script, ...parameters),
      dispose: () => host.close(),
    };
  }

  describe('the contract of hosts: files of a machine of its own', () => {
    describeFiles(() => machineOf(web1));
  });

  test('have files of their own', async () => {
    const { host, folder } = machineOf(web1);
    await host.writeFile(`${folder}/file`, 'of web1', { mode: 0o644 });
    expect(web1.sh('cat "$1"', `${folder}/file`)).toBe('of web1');
    expect(existsSync(`${folder}/file`)).toBe(false);
    expect(existsSync(web1.at(`${folder}/file`))).toBe(true);
    expect(await machineOf(db1).host.status(`${folder}/file`)).toBeUndefined();
  });

  test('have processes of their own: a mark ends those of one machine alone', async () => {
    const here = createLocalHost({ name: 'here' });
    const machine = machineOf(web1);
    const operation = testOperation();
    const [there, local] = [uniqueSleep(), uniqueSleep()];
    const running = [
      machine.host.run({ argv: ['sleep', there], operation }),
      here.run({ argv: ['sleep', local], operation }),
    ].map((run) => run.catch((error: unknown) => error));
    await until('it runs there', () => processesWith(machine, there) === 1);
    await until('it runs here', async () => (await here.listMarks()).some((mark) => mark.startsWith(operation.mark)));
    expect(processesWith(machine, local)).toBe(0);
    expect(await machine.host.endProcesses(operation.mark)).toBe(1);
    expect(await here.endProcesses(operation.mark)).toBe(1);
    await Promise.all(running);
  });

  test('have ports, sockets and names of their own', async () => {
    const { host, folder } = machineOf(web1);
    const { signal } = new AbortController();
    const port = await freePort();
    const socketPath = `${folder}/greets.sock`;
    // Ends with its standard input.
    const greets = `const { createServer } = require('node:net');
      createServer((socket) => socket.end('at the port')).listen(${port}, '127.0.0.1');
      createServer((socket) => socket.end('at the socket')).listen('${socketPath}');
      process.stdin.resume().on('end', () => process.exit());`;
    const [program, ...args] = web1.command([process.execPath, '-e', greets]);
    const listener = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    const greeting = async (address: SocketAddress): Promise<string> =>
      String(await firstBytes(await host.connectTo(address, signal), 100));
    try {
      await until('it listens', async () => {
        const listening = await greeting({ socketPath }).catch(() => null);
        return listening !== null;
      });
      expect(await greeting({ socketPath })).toBe('at the socket');
      expect(await greeting({ host: '127.0.0.1', port })).toBe('at the port');
      web1.sh(
        '{ cat /etc/hosts; echo "127.0.0.1 only-there.example"; } > /run/hosts && mount --bind /run/hosts /etc/hosts',
      );
      expect(await greeting({ host: 'only-there.example', port })).toBe('at the port');
      // None of them is one of this machine.
      const here = createLocalHost({ name: 'here' });
      for (const address of [{ socketPath }, { host: '127.0.0.1', port }])
        await expect(here.connectTo(address, signal)).rejects.toMatchObject({ server: 'here' });
    } finally {
      listener.stdin.end();
      await once(listener, 'close');
    }
  });

  test('are on one network with each other and with this one', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('the master'));
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    const { port } = server.address() as { port: number };
    try {
      const { host } = machineOf(web1);
      const ask = async (ip: string, at: number): Promise<string> =>
        (
          await host.run({
            argv: ['bash', '-c', `exec 2>/dev/null; head -c 8 < /dev/tcp/${ip}/${at}`],
            sandbox: { network: true },
            operation: testOperation(),
          })
        ).stdout;
      expect(await ask(web1.address.host.replace(/\d+$/, '1'), port)).toBe('the mast');
      expect(await ask(db1.address.host, 22)).toBe('SSH-2.0-');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test.each([
    ['crashes', (host: NetworkHost) => host.crash(), (host: NetworkHost) => host.start()],
    ['is unplugged', (host: NetworkHost) => host.unplug(), (host: NetworkHost) => host.plug()],
  ])('one that %s is unreachable, what ran there ends, and comes back', async (_how, lose, find) => {
    const machine = machineOf(db1, { rhythm: { heartbeatMs: 50, silenceMs: 1_000 } });
    const sleep = uniqueSleep();
    const outcome = machine.host
      .run({ argv: ['sh', '-c', '(setsid sleep "$1" &) ; sleep "$1"', 'sh', sleep], operation: testOperation() })
      .catch((error: unknown) => error);
    await until('it runs', () => processesWith(machine, sleep) >= 2);
    await lose(db1);
    expect(await outcome).toMatchObject({ code: 'HostUnreachable', server: 'db1' });
    await find(db1);
    await until('nothing of it is left', () => processesWith(machine, sleep) === 0);
    expect((await machine.host.run({ argv: ['hostname'], operation: testOperation() })).stdout).toBe('db1\n');
  });
});
