import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../../scripts/lab/free-port';
import type { RemoteHost } from '../../../../src/core/hosts/remote/remote-host';
import { startCuttingProxy } from '../../../helpers/cutting-proxy';
import { HOST_PROGRAM } from '../../../helpers/host-program';
import { testOperation } from '../../../helpers/operation';
import { type PrivateSshd, startSshd } from '../../../helpers/private-sshd';
import { until } from '../../../helpers/until';
import { describeHost } from '../host-contract';
import { localMachine } from '../local-machine';
import { type Machine, processesWith, uniqueSleep } from '../machine';
import { describeStreams } from '../remote/streams-contract';

let sshd: PrivateSshd;
const hosts: RemoteHost[] = [];
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(async () => {
  for (const host of hosts) await host.close();
  await sshd.remove();
});

/** This machine, reached by SSH. */
function sshMachine(): Machine {
  const here = localMachine();
  const host = sshd.host();
  return {
    ...here,
    host,
    async dispose() {
      await host.close();
      here.dispose();
    },
  };
}

describeHost('another, by SSH', sshMachine);
describeStreams('another, by SSH', sshMachine);

function newHost(...more: Parameters<PrivateSshd['host']>): RemoteHost {
  const host = sshd.host(...more);
  hosts.push(host);
  return host;
}

const fingerprintOf = (key: string): string =>
  execFileSync('ssh-keygen', ['-lf', join(sshd.folder, `${key}.pub`)], { encoding: 'utf8' }).split(' ')[1] ?? '';

describe('the key of the server', () => {
  const connects = (...lines: string[]) => newHost({ knownHosts: sshd.know('known_here', ...lines) }).connect();
  const refused = { code: 'HostKeyRefused', server: 'web1' };

  test('has to be known, and both ways to look at it are told', async () => {
    const connecting = connects('# nothing');
    await expect(connecting).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(
        /^no host key of web1 \(\[127\.0\.0\.1\]:\d+\) is known in .*known_here; it shows/,
      ),
      hint: expect.stringMatching(/`kedge servers trust web1`.*`ssh-keygen -lf .*ssh_host_ed25519_key\.pub`/),
    });
    await expect(connecting).rejects.toThrow(fingerprintOf('host_ed25519'));
    await expect(newHost({ knownHosts: '/no/such/file' }).connect()).rejects.toMatchObject(refused);
  });

  test('that is another one is refused, with both fingerprints', async () => {
    sshd.makeKey('other');
    const connecting = connects(sshd.publicKey('other'));
    await expect(connecting).rejects.toMatchObject({
      ...refused,
      permanent: true,
      message: expect.stringContaining(`it shows ssh-ed25519 ${fingerprintOf('host_ed25519')}`),
      hint: expect.stringMatching(/`ssh-keygen -l -F '\[127\.0\.0\.1\]:\d+' -f .*known_here`/),
    });
    await expect(connecting).rejects.toThrow(`known is ssh-ed25519 ${fingerprintOf('other')}`);
  });

  test('that is revoked is refused, also where another line knows it', async () => {
    const key = sshd.publicKey('host_ed25519');
    await expect(connects(key, `@revoked * ${key}`)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining(`revoked in ${join(sshd.folder, 'known_here')}: ssh-ed25519 SHA256:`),
    });
  });

  test('is known by a hashed name, by a pattern, by another type, among others', async () => {
    const key = sshd.publicKey('host_ed25519');
    await connects(sshd.publicKey('host_ecdsa'));
    await connects(`[127.0.0.*]:*,[other]:22 ${key}`);
    await connects(`other.example ${sshd.publicKey('identity')}`, '', '# words', key);
    const hashed = sshd.know('known_hashed', key);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hashed], { stdio: 'ignore' });
    await newHost({ knownHosts: hashed }).connect();
  });

  test.each([
    ['the same machine at another port', (key: string) => `127.0.0.1 ${key}`],
    ['another machine', (key: string) => `[127.0.0.2]:${sshd.port} ${key}`],
    ['an authority', (key: string) => `@cert-authority * ${key}`],
    ['all but this one', (key: string) => `![127.0.0.1]:${sshd.port},[127.0.0.*]:* ${key}`],
  ])('of %s is not this one', async (_what, line) => {
    await expect(connects(line(sshd.publicKey('host_ed25519')))).rejects.toMatchObject(refused);
  });

  test('is not believed where others can write what is known', async () => {
    const knownHosts = sshd.know('known_to_all', sshd.publicKey('host_ed25519'));
    chmodSync(knownHosts, 0o666);
    await expect(newHost({ knownHosts }).connect()).rejects.toMatchObject({ code: 'OwnerRefused' });
  });
});

describe('the login', () => {
  test('with a key that is not let in is refused', async () => {
    const identityFile = sshd.makeKey('stranger');
    await expect(newHost({ identityFile }).connect()).rejects.toMatchObject({
      code: 'HostLoginRefused',
      server: 'web1',
      message: expect.stringMatching(/^web1 refuses the login of \S+ by SSH$/),
      hint: expect.stringContaining(`ssh -v -p ${sshd.port}`),
    });
  });

  test('by an agent is as good as by a file; one that is not there is named', async () => {
    const socket = join(sshd.folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      await until('the agent runs', () => existsSync(socket));
      execFileSync('ssh-add', ['-q', join(sshd.folder, 'identity')], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      });
      await newHost({ identityFile: undefined, agent: socket }).connect();
    } finally {
      agent.kill();
    }
    await expect(newHost({ identityFile: undefined, agent: '/no/such/agent' }).connect()).rejects.toMatchObject({
      code: 'HostLoginRefused',
      message: expect.stringContaining('/no/such/agent'),
    });
  });

  test.each([
    ['is missing', () => '/no/such/key', 'SecretUnavailable', 'cannot be read'],
    ['is no key', () => sshd.know('no_key', 'words'), 'SecretUnavailable', 'is no private key'],
    [
      'has a passphrase',
      () => sshd.makeKey('locked', 'ed25519', 'canary-phrase'),
      'SecretUnavailable',
      'has a passphrase',
    ],
    [
      'others can read',
      () => {
        const key = sshd.makeKey('open');
        chmodSync(key, 0o644);
        return key;
      },
      'OwnerRefused',
      'can be read by others',
    ],
  ])('with a file that %s is not tried', async (_what, make, code, message) => {
    const identityFile = make();
    if (code === 'SecretUnavailable' && existsSync(identityFile)) chmodSync(identityFile, 0o600);
    await expect(newHost({ identityFile }).connect()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test('to what is no name of a machine is not tried', async () => {
    await expect(newHost({ host: '-oProxyCommand=id' }).connect()).rejects.toMatchObject({
      code: 'ConfigurationInvalid',
    });
  });

  test('where nobody listens is unreachable, and may be tried again', async () => {
    const port = await freePort();
    const knownHosts = sshd.know('known_elsewhere', `[127.0.0.1]:${port} ${sshd.publicKey('host_ed25519')}`);
    await expect(newHost({ port, knownHosts }).connect()).rejects.toMatchObject({
      code: 'HostUnreachable',
      permanent: false,
      message: expect.stringMatching(/^web1 cannot be reached by SSH at 127\.0\.0\.1 port \d+: .*ECONNREFUSED/),
    });
  });
});

describe('the program there', () => {
  test.each([
    ['is missing', '/no/such/kedge-host', /ended with 127 before it answered: .*\/no\/such\/kedge-host/],
    ['says something first', `echo Welcome; exec ${process.execPath} ${HOST_PROGRAM}`, /sent a header of/],
    ['is another one', 'true', /ended with 0 before it answered/],
  ])('%s', async (what, command, message) => {
    const identityFile = sshd.makeKey(what.replaceAll(' ', '-'));
    sshd.allow(identityFile, command);
    await expect(newHost({ identityFile }).connect()).rejects.toMatchObject({
      code: 'HostProgramUnfit',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('`install it`'),
    });
  });

  test('is of another version', async () => {
    await expect(newHost({}, { version: '99.0.0' }).connect()).rejects.toMatchObject({ code: 'HostProgramUnfit' });
  });
});

describe('a connection', () => {
  const machine = localMachine();
  afterAll(() => machine.dispose());
  const SHORT = { heartbeatMs: 50, silenceMs: 1_000 };

  /** Something that runs there, in sessions of its own too. */
  async function something(host: RemoteHost): Promise<{ sleep: string; outcome: Promise<unknown> }> {
    const sleep = uniqueSleep();
    const outcome = host
      .run({
        argv: ['sh', '-c', '(setsid sleep "$1" &) ; sleep "$1"', 'sh', sleep],
        sandbox: {},
        operation: testOperation(),
      })
      .catch((error: unknown) => error);
    await until('it runs', () => processesWith(machine, sleep) >= 2);
    return { sleep, outcome };
  }
  const isGone = (sleep: string): Promise<void> =>
    until('nothing of it is left', () => processesWith(machine, sleep) === 0);

  test('is one for all that is asked for', async () => {
    const proxy = await startCuttingProxy(sshd.port);
    const knownHosts = sshd.know('known_proxy', `[127.0.0.1]:${proxy.port} ${sshd.publicKey('host_ed25519')}`);
    const host = newHost({ port: proxy.port, knownHosts });
    try {
      await Promise.all(Array.from({ length: 20 }, () => host.list('/')));
      expect(proxy.connections()).toBe(1);
    } finally {
      await host.close();
      await proxy.close();
    }
  });

  test.each([
    ['cut', /^the connection to web1 is lost/],
    ['stall', /^the connection to web1 is lost: nothing came for 1 s$/],
  ] as const)(
    'that is lost on the way (%s) leaves nothing running, and the next call makes another',
    async (how, message) => {
      const proxy = await startCuttingProxy(sshd.port);
      const knownHosts = sshd.know(`known_${how}`, `[127.0.0.1]:${proxy.port} ${sshd.publicKey('host_ed25519')}`);
      const host = newHost({ port: proxy.port, knownHosts }, { rhythm: SHORT });
      try {
        const { sleep, outcome } = await something(host);
        const connected = await host.connectTo({ host: '127.0.0.1', port: sshd.port }, new AbortController().signal);
        proxy[how]();
        expect(await outcome).toMatchObject({
          code: 'HostUnreachable',
          server: 'web1',
          message: expect.stringMatching(message),
        });
        expect(connected.errored).toMatchObject({ code: 'HostUnreachable', server: 'web1' });
        await isGone(sleep);
        expect((await host.run({ argv: ['echo', 'back'], operation: testOperation() })).stdout).toBe('back\n');
        expect(proxy.connections()).toBe(2);
      } finally {
        await host.close();
        await proxy.close();
      }
    },
  );

  test('whose sshd is killed leaves nothing running, and nobody waits', async () => {
    const own = await startSshd();
    const host = own.host();
    try {
      const { sleep, outcome } = await something(host);
      own.crash();
      expect(await outcome).toMatchObject({ code: 'HostUnreachable' });
      await isGone(sleep);
      await expect(host.list('/')).rejects.toMatchObject({ code: 'HostUnreachable' });
      await own.server.start();
      expect(await host.list('/no/such/folder')).toEqual([]);
    } finally {
      await host.close();
      await own.remove();
    }
  });
});
