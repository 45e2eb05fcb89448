import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { version } from '../../package.json';
import { createParts } from '../../src/composition';
import { loadConfiguration } from '../../src/config/load';
import { serversSchema, trustedKeySchema } from '../../src/contract/documents';
import { REMOTE_SERVER_CHECKS } from '../../src/core/doctor/remote-servers';
import { runChecks } from '../../src/core/doctor/run-checks';
import { runCommand } from '../helpers/command';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { testOperation } from '../helpers/operation';
import { type PrivateSshd, startSshd } from '../helpers/private-sshd';

let sshd: PrivateSshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.remove());

let folder: string;
let environment: Record<string, string>;
let knownHosts: string;
beforeEach(async () => {
  ({ folder, environment } = await makeConfiguredFolder());
  knownHosts = join(folder, 'state/known_hosts');
  configure({});
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Written {
  servers: Record<string, object>;
  sites: Record<string, object>;
}

const configurationPath = (): string => join(folder, 'kedge.yaml');

function change(how: (written: Written) => void): void {
  const written = parse(readFileSync(configurationPath(), 'utf8')) as Written;
  how(written);
  writeFileSync(configurationPath(), stringify(written));
}

/** Has the configuration reach the sshd as web1. */
function configure(ssh: object): void {
  const { host, port, user, identityFile } = sshd.address;
  change(({ servers }) => {
    servers['web1'] = {
      ssh: { host, port, user, identityFile, ...ssh },
      web: { kind: 'nginx', vhosts: '/etc/nginx/kedge.d', flags: '/var/lib/kedge-web' },
    };
  });
}

const run = (argv: readonly string[], answer?: string) =>
  runCommand(argv, { environment, ...(answer === undefined ? {} : { answer }) });
const fingerprintOf = (key: string): string =>
  execFileSync('ssh-keygen', ['-lf', join(sshd.folder, `${key}.pub`)], { encoding: 'utf8' }).split(' ')[1] ?? '';
const TRUST = ['servers', 'trust', 'web1'] as const;

/** What was trusted by hand, elsewhere. */
async function trusted(): Promise<void> {
  expect((await run([...TRUST, '--yes', '--fingerprint', fingerprintOf('host_ed25519')])).exitCode).toBe(0);
}

describe('kedge servers trust', () => {
  test('shows the key as OpenSSH does, asks, and after a yes the server is reached', async () => {
    const refused = await run(TRUST, 'n\n');
    expect(refused.exitCode).toBe(130);
    expect(refused.stderr).toContain(`ED25519 key fingerprint is ${fingerprintOf('host_ed25519')}.`);
    expect(refused.stderr).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
    expect(existsSync(knownHosts)).toBe(false);
    const { exitCode, stdout } = await run([...TRUST, '--json'], 'y\n');
    expect(exitCode).toBe(0);
    expect(trustedKeySchema.parse(JSON.parse(stdout))).toEqual({
      ...{ server: 'web1', type: 'ssh-ed25519', fingerprint: fingerprintOf('host_ed25519'), knownHosts },
      changed: true,
    });
    expect((await run(['servers'])).exitCode).toBe(0);
  });

  test('does nothing where the key is known, and asks nobody', async () => {
    await trusted();
    const before = readFileSync(knownHosts, 'utf8');
    const { exitCode, stdout } = await run(TRUST);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('trusted already')]);
    expect(readFileSync(knownHosts, 'utf8')).toBe(before);
  });

  test.each([
    ['without somebody to ask', [], /a key is trusted by somebody who compared it/],
    ['with --yes alone', ['--yes'], /--yes without --fingerprint would trust whoever answers/],
    ['with --replace alone', ['--replace'], /--replace without --fingerprint/],
    ['with what is no fingerprint', ['--yes', '--fingerprint', 'MD5:00'], /"MD5:00" is no fingerprint/],
  ])('trusts nobody %s', async (_what, more, message) => {
    const { exitCode, stderr } = await run([...TRUST, ...more]);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(existsSync(knownHosts)).toBe(false);
  });

  test('trusts no key of another fingerprint', async () => {
    sshd.makeKey(`other-${process.hrtime.bigint()}`);
    const { exitCode, stderr } = await run([...TRUST, '--yes', '--fingerprint', `SHA256:${'A'.repeat(43)}`]);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/HostKeyRefused/)]);
    expect(existsSync(knownHosts)).toBe(false);
  });

  test('a changed key is replaced by who names it, and by nobody else', async () => {
    const stale = `[127.0.0.1]:${sshd.port} ${sshd.publicKey('identity')}\n`;
    await trusted();
    writeFileSync(knownHosts, stale);
    const fingerprint = fingerprintOf('host_ed25519');
    for (const more of [[], ['--yes', '--fingerprint', fingerprint]]) {
      const { exitCode, stderr } = await run([...TRUST, ...more], 'y\n');
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining(fingerprintOf('identity'))]);
      expect(stderr).toContain(`kedge servers trust web1 --replace --fingerprint ${fingerprint}`);
      expect(readFileSync(knownHosts, 'utf8')).toBe(stale);
    }
    expect((await run([...TRUST, '--replace', '--yes', '--fingerprint', fingerprint])).exitCode).toBe(0);
    expect(readFileSync(knownHosts, 'utf8')).not.toContain(sshd.publicKey('identity'));
    expect((await run(['servers'])).exitCode).toBe(0);
  });

  test('of this machine, or of no server, is refused', async () => {
    for (const [server, exit, message] of [
      ['local', 2, /local is this machine/],
      ['web2', 10, /Did you mean web1/],
    ] as const) {
      const { exitCode, stderr } = await run(['servers', 'trust', server]);
      expect([exitCode, stderr]).toEqual([exit, expect.stringMatching(message)]);
    }
  });
});

describe('kedge servers', () => {
  test('lists all, also those that are not reached, and says why', async () => {
    const { exitCode, stdout, stderr } = await run(['servers', '--json']);
    expect(exitCode).toBe(1);
    expect(serversSchema.parse(JSON.parse(stdout)).servers).toEqual([
      ...[
        {
          server: 'local',
          where: null,
          serves: ['nginx', 'mariadb'],
          reached: true,
          version,
          since: null,
          problem: null,
        },
      ],
      expect.objectContaining({
        ...{ server: 'web1', serves: ['nginx'], reached: false, version: null },
        where: { user: sshd.address.user, host: '127.0.0.1', port: sshd.port },
        problem: expect.objectContaining({ code: 'HostKeyRefused' }),
      }),
    ]);
    expect(stderr).toContain('kedge servers trust web1');
    await trusted();
    const table = await run(['servers']);
    expect(table.exitCode).toBe(0);
    expect(table.stdout).toMatch(/local +this machine +nginx, mariadb +yes/);
    expect(table.stdout).toMatch(new RegExp(`web1 +\\S+@127\\.0\\.0\\.1 port ${sshd.port} +nginx +yes +${version}`));
  });
});

test('a site whose servers do not reach each other is refused where the configuration is checked, and others are not', async () => {
  change(({ sites }) => void (sites['garden.example'] = { ...sites['garden.example'], server: 'web1' }));
  for (const argv of [
    ['config', 'check', '--file-only'],
    ['config', 'check'],
    ['sites', 'adopt', 'garden.example'],
  ]) {
    const { exitCode, stderr } = await run(argv);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining(
        'web1, is another machine than the database server local, whose socket it does not reach',
      ),
    ]);
  }
  expect((await run(['sites'])).exitCode).toBe(0);
});

describe('the parts of a master', () => {
  const open = async () =>
    createParts({
      configuration: await loadConfiguration(configurationPath()),
      configurationPath: configurationPath(),
      environment: {},
    });

  test('reach a server that is configured, or reached otherwise, while they run', async () => {
    await trusted();
    const parts = await open();
    try {
      const first = parts.remoteHostOf('web1');
      await first?.connect();
      expect(parts.hostOf('web1')).toBe(first);
      expect(parts.hostOf('local')).toBe(parts.master);
      expect((await parts.hostOf('web1').account()).uid).toBe(process.getuid?.());
      change(({ servers }) => void (servers['web2'] = { ssh: { ...sshd.address, server: undefined, port: 1 } }));
      await parts.configuration.forNewTask();
      expect(parts.remoteHostOf('web1')).toBe(first);
      expect(parts.remoteHostOf('web2')?.name).toBe('web2');
      configure({ identityFile: join(sshd.folder, 'no-such-key') });
      await parts.configuration.forNewTask();
      const second = parts.remoteHostOf('web1');
      expect(second).not.toBe(first);
      await expect(second?.connect()).rejects.toMatchObject({ code: 'SecretUnavailable' });
    } finally {
      await parts.close();
    }
  });

  test('keep a task on this machine that began before somebody wrote another beside its server', async () => {
    change(({ sites }) => void (sites['gazette.example'] = { ...sites['gazette.example'], root: `${folder}/site` }));
    const parts = await open();
    try {
      const target = await parts.resolveTarget('gazette.example');
      const { host, port, user, identityFile } = sshd.address;
      change(({ servers }) => {
        servers['local'] = { ...servers['local'], ssh: { host: `x${host}`, port, user, identityFile } };
      });
      await expect(parts.resolveTarget('gazette.example')).rejects.toMatchObject({ code: 'HostUnreachable' });
      const atWork = parts.siteAtWork(target);
      expect([atWork.host, atWork.onMaster]).toEqual([parts.master, true]);
    } finally {
      await parts.close();
    }
  });
});

describe('doctor', () => {
  const findings = async () => {
    const parts = createParts({
      configuration: await loadConfiguration(configurationPath()),
      configurationPath: configurationPath(),
      environment: {},
    });
    try {
      const connect = async () => parts.remoteHostOf('web1')?.connect();
      const server = { name: 'web1', connect, assertOpensByItself: async () => undefined };
      return await runChecks(REMOTE_SERVER_CHECKS, server, { server: 'web1' }, testOperation());
    } finally {
      await parts.close();
    }
  };
  const key = (name: string, command?: string): string => {
    const made = existsSync(join(sshd.folder, name)) ? join(sshd.folder, name) : sshd.makeKey(name);
    if (command !== undefined) sshd.allow(made, command);
    return made;
  };

  test('finds nothing at a server that is reached', async () => {
    await trusted();
    expect(await findings()).toEqual([]);
  });

  test.each<[string, () => object, RegExp, RegExp]>([
    [
      'a key that is not known',
      () => ({ knownHosts: join(folder, 'none') }),
      /no host key of web1/,
      /servers trust web1/,
    ],
    [
      'a key that has changed',
      () => ({ knownHosts: sshd.know('stale', sshd.publicKey('identity')) }),
      /shows another host key/,
      /--replace --fingerprint/,
    ],
    ['a login that is refused', () => ({ identityFile: key('stranger') }), /web1 refuses the login/, /authorized_keys/],
    [
      'a program that is missing',
      () => ({ identityFile: key('missing', '/no/such/kedge-host') }),
      /ended with 127 before it answered/,
      /kedge servers prepare web1/,
    ],
    ['a port where nobody listens', () => ({ host: '127.0.0.2' }), /cannot be reached|no host key/, /./],
  ])('has one finding for %s, with what mends it', async (_what, ssh, message, hint) => {
    await trusted();
    configure(ssh());
    expect(await findings()).toEqual([
      {
        ...{ check: 'server-reached', server: 'web1', level: 'error' },
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      },
    ]);
  });
});
