import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { version } from '../../package.json';
import { removePrivateFolder } from './private-folder';
import { type RestartableServer, startRestartable } from './tied-process';
import { BUILT_PROGRAM } from '../../src/core/hosts/prepare/built-program';
import { createLocalHost } from '../../src/core/hosts/local-host';
import type { RemoteHost } from '../../src/core/hosts/remote/remote-host';
import type { HostRulesFile } from '../../src/core/hosts/rules/host-rules';
import type { SshAddress } from '../../src/core/hosts/ssh/ssh-channel';
import { type SshHostOptions, createSshHost } from '../../src/core/hosts/ssh/ssh-host';
import { SSHD, SSHD_RULES } from './sshd';

const run = promisify(execFile);

/** What a machine has of its own; programs and their configuration are those of this one. The last hides where the first come from. */
const OWN_FOLDERS = ['/srv', '/opt', '/home', '/root', '/run', '/tmp', '/dev/shm', '/var/tmp'];
const STICKY = new Set(['/tmp', '/dev/shm', '/var/tmp']);
/** Of its files, on the machine: the program, the keys, the configuration of sshd. */
const HOME = '/opt/kedge';
/** Of this project, as source or compiled. */
const TREE = join(__dirname, '../..');

/**
 * The first process of a machine. sshd takes its place: when that is killed, everything that runs there ends, as by a power cut.
 */
const BOOT = `
set -e
folder="$1" name="$2" configuration="$3" tree="$4"
shift 4
hostname "$name"
mount --bind "$tree" "$folder/opt/kedge/tree"
for path; do mount --rbind "$folder$path" "$path"; done
exec ${SSHD} -D -e -f "$configuration"
`;

/** A machine of its own, as far as namespaces go: network, files, processes. It is reached by SSH, at port 22. */
export class NetworkHost {
  private constructor(
    readonly name: string,
    readonly address: SshAddress,
    private readonly folder: string,
    private readonly configuration: string,
    private readonly server: RestartableServer,
    private readonly port: { readonly network: string; readonly link: string },
  ) {}

  /** Starts it in a network that is there. */
  static async boot(
    name: string,
    options: { folder: string; ip: string; network: string; port: NetworkHost['port']; rules?: HostRulesFile },
  ): Promise<NetworkHost> {
    const { folder, ip, network, port } = options;
    const own = join(folder, name);
    const at = (path: string): string => join(own, path);
    for (const path of OWN_FOLDERS) {
      mkdirSync(at(path), { recursive: true });
      chmodSync(at(path), STICKY.has(path) ? 0o1777 : path === '/root' ? 0o700 : 0o755);
    }
    mkdirSync(at('/run/sshd'), { mode: 0o755 });
    mkdirSync(at(HOME), { mode: 0o755 });
    // Compiled code and packages, wherever on this machine they lie.
    mkdirSync(at(`${HOME}/tree`), { mode: 0o755 });
    copyFileSync(BUILT_PROGRAM, at(`${HOME}/kedge-host`));
    const { rules } = options;
    if (rules) writeFileSync(at(`${HOME}/host.yaml`), stringify(rules), { mode: 0o644 });
    const program = rules
      ? `${HOME}/kedge-host --rules ${HOME}/host.yaml`
      : `${HOME}/tree/test/helpers/unruled-host.js`;
    const makeKey = (file: string): void =>
      void execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
    makeKey(at(`${HOME}/host_key`));
    makeKey(join(folder, `${name}.identity`));
    const publicKey = readFileSync(join(folder, `${name}.identity.pub`), 'utf8');
    writeFileSync(at(`${HOME}/authorized_keys`), `restrict,command="${process.execPath} ${program}" ${publicKey}`, {
      mode: 0o600,
    });
    // Its name tells its processes from those of other machines.
    const configuration = `${HOME}/sshd-${name}-${process.pid}.conf`;
    writeFileSync(
      at(configuration),
      [
        `ListenAddress ${ip}`,
        `HostKey ${HOME}/host_key`,
        `AuthorizedKeysFile ${HOME}/authorized_keys .ssh/authorized_keys`,
        ...SSHD_RULES,
        '',
      ].join('\n'),
    );
    const knownHosts = join(folder, 'known_hosts');
    appendFileSync(knownHosts, `${ip} ${readFileSync(at(`${HOME}/host_key.pub`), 'utf8')}`);
    const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--mount-proc'];
    const boot = ['sh', '-c', BOOT, 'boot', own, name, configuration, TREE, ...OWN_FOLDERS];
    const server = await startRestartable(
      ['ip', 'netns', 'exec', network, ...namespaces, '--', ...boot],
      join(folder, `${name}.log`),
      async () => (await run('ip', ['netns', 'exec', network, 'ss', '-Hltn', 'sport = :22'])).stdout !== '',
    );
    const address: SshAddress = {
      server: name,
      host: ip,
      port: 22,
      user: 'root',
      knownHosts,
      identityFile: join(folder, `${name}.identity`),
    };
    return new NetworkHost(name, address, own, configuration, server, port);
  }

  /** Where a path of it lies on this machine, below one of its own folders. */
  readonly at = (path: string): string => join(this.folder, path);

  /** The program and the arguments that run a program there. */
  command(argv: readonly string[]): [string, ...string[]] {
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc'];
    return ['nsenter', `--target=${this.firstProcess()}`, ...namespaces, '--', ...argv];
  }

  /** Runs a script of the shell there, past Kedge; returns what it prints. @throws when it fails */
  sh(script: string, ...parameters: string[]): string {
    const [program, ...args] = this.command(['sh', '-c', script, 'sh', ...parameters]);
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
    });
  }

  /** It as Kedge reaches it. */
  host(options: Partial<SshHostOptions> = {}): RemoteHost {
    return createSshHost({
      address: this.address,
      master: createLocalHost({ name: 'master' }),
      version,
      installCommand: 'install it',
      ...options,
    });
  }

  /** Ends everything that runs there, at once. */
  async crash(): Promise<void> {
    await this.server.kill();
  }

  /** Starts it again, with the files that it had. */
  async start(): Promise<void> {
    await this.server.start();
  }

  /** Pulls its cable: what is sent to it is lost, and nobody is told. */
  async unplug(): Promise<void> {
    await run('ip', ['-n', this.port.network, 'link', 'set', 'dev', this.port.link, 'down']);
  }

  async plug(): Promise<void> {
    await run('ip', ['-n', this.port.network, 'link', 'set', 'dev', this.port.link, 'up']);
  }

  private firstProcess(): string {
    const found = readdirSync('/proc').find((pid) => isSshdOf(pid, this.configuration));
    if (found === undefined) throw new Error(`${this.name} does not run`);
    return found;
  }
}

/**
 * Machines of their own on one network with this one, for tests that are to notice which machine code works on. Needs root. They are gone when
 * this process ends, and their networks when the next ones are opened.
 */
export class NetworkHosts {
  private readonly hosts = new Map<string, NetworkHost>();

  private constructor(
    readonly folder: string,
    private readonly networks: string[],
  ) {}

  /** `rules`: of those that have a `kedge-host` with rules; the others do whatever they are asked for. */
  static async open(
    names: readonly string[],
    rules: Readonly<Record<string, HostRulesFile>> = {},
  ): Promise<NetworkHosts> {
    await removeLeftNetworks();
    const switching = `kedge-${process.pid}-switch`;
    const folder = mkdtempSync('/var/tmp/kedge-machines-');
    chmodSync(folder, 0o755);
    const machines = new NetworkHosts(folder, [switching]);
    try {
      const subnet = await freeSubnet();
      await run('ip', ['netns', 'add', switching]);
      const there = (...args: string[]) => run('ip', ['-n', switching, ...args]);
      await there('link', 'add', 'name', 'bridge', 'type', 'bridge');
      await there('link', 'set', 'dev', 'bridge', 'up');
      const here = `kedge${process.pid}`;
      await run('ip', ['link', 'add', here, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', switching]);
      await run('ip', ['addr', 'add', `${subnet}.1/24`, 'dev', here]);
      await run('ip', ['link', 'set', 'dev', here, 'up']);
      await there('link', 'set', 'dev', 'uplink', 'master', 'bridge', 'up');
      for (const [at, name] of names.entries()) {
        const network = `kedge-${process.pid}-${name}`;
        const link = `port${at}`;
        const ip = `${subnet}.${at + 2}`;
        await run('ip', ['netns', 'add', network]);
        machines.networks.push(network);
        await there('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', network);
        await there('link', 'set', 'dev', link, 'master', 'bridge', 'up');
        await run('ip', ['-n', network, 'addr', 'add', `${ip}/24`, 'dev', 'eth0']);
        for (const device of ['lo', 'eth0']) await run('ip', ['-n', network, 'link', 'set', 'dev', device, 'up']);
        const port = { network: switching, link };
        machines.hosts.set(
          name,
          await NetworkHost.boot(name, { folder, ip, network, port, ...(rules[name] ? { rules: rules[name] } : {}) }),
        );
      }
      return machines;
    } catch (error) {
      await machines.close();
      throw error;
    }
  }

  get(name: string): NetworkHost {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`there is no machine ${name}`);
    return host;
  }

  /** Ends all of them, and takes their networks and files away. */
  async close(): Promise<void> {
    for (const host of this.hosts.values()) await host.crash();
    // With a network go its ends of cables, and so the others.
    for (const network of this.networks) await removeNetwork(network);
    removePrivateFolder(this.folder);
  }
}

/** Networks of test processes that were killed. */
async function removeLeftNetworks(): Promise<void> {
  const names = (await run('ip', ['netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const name of names) {
    const pid = /^kedge-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await removeNetwork(name);
  }
}

async function removeNetwork(name: string): Promise<void> {
  await run('ip', ['netns', 'delete', name]).catch(() => undefined);
}

/** The first three numbers of a network for tests (RFC 2544) that this machine has no address in. */
async function freeSubnet(): Promise<string> {
  const { stdout } = await run('ip', ['-o', '-4', 'addr']);
  for (let tries = 0; tries < 256; tries += 1) {
    const subnet = `198.18.${(process.pid + tries) % 256}`;
    if (!stdout.includes(` ${subnet}.`)) return subnet;
  }
  throw new Error('every network for tests is in use');
}

/** It writes its state behind its command. */
function isSshdOf(pid: string, configuration: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  try {
    const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1');
    return read('comm') === 'sshd\n' && read('cmdline').includes(configuration);
  } catch {
    return false;
  }
}
