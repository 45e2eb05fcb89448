import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { version } from '../../package.json';
import { freePort } from '../../scripts/lab/free-port';
import { removePrivateFolder } from '../../scripts/lab/private-folder';
import { type RestartableServer, startRestartable } from '../../scripts/lab/tied-process';
import { createLocalHost } from '../../src/core/hosts/local-host';
import type { RemoteHost } from '../../src/core/hosts/remote/remote-host';
import type { SshAddress } from '../../src/core/hosts/ssh/ssh-channel';
import { type SshHostOptions, createSshHost } from '../../src/core/hosts/ssh/ssh-host';
import { UNRULED_PROGRAM } from './host-program';
import { SSHD, SSHD_RULES } from '../../scripts/lab/sshd';

export interface PrivateSshd {
  readonly port: number;
  /** Keys, configuration and known hosts lie here. */
  readonly folder: string;
  readonly server: RestartableServer;
  /** How it is reached: its key is known, and the login allowed. */
  readonly address: SshAddress;
  /** Makes a key pair; returns the path of the private one. */
  makeKey(name: string, type?: string, passphrase?: string): string;
  /** Lets a key in, which runs this command and nothing else. Default: one that serves this machine without rules. */
  allow(key: string, command?: string): void;
  /** Writes a file of known hosts: a line each, behind the name of this server where none is given. */
  know(name: string, ...lines: readonly string[]): string;
  /** Type and key, as in a line of known hosts. */
  publicKey(name: string): string;
  host(more?: Partial<SshAddress>, options?: Partial<SshHostOptions>): RemoteHost;
  /** Kills it, with what of it serves connections, and nothing that it has started. */
  crash(): void;
  /** Ends it, and removes all that it had. */
  remove(): Promise<void>;
}

/** A server of SSH of the test's own, on a port of 127.0.0.1, with keys of its own. It lets in the account of this process. */
export async function startSshd(): Promise<PrivateSshd> {
  const folder = mkdtempSync('/var/tmp/kedge-sshd-');
  const port = await freePort();
  const name = `[127.0.0.1]:${port}`;
  const at = (file: string): string => join(folder, file);
  const makeKey = (file: string, type = 'ed25519', passphrase = ''): string => {
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', file, '-f', at(file)]);
    return at(file);
  };
  const publicKey = (file: string): string =>
    readFileSync(at(`${file}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
  const allow = (key: string, command = `${process.execPath} ${UNRULED_PROGRAM}`): void =>
    appendFileSync(at('authorized_keys'), `restrict,command="${command}" ${readFileSync(`${key}.pub`, 'utf8')}`);
  const know = (file: string, ...lines: readonly string[]): string => {
    const whole = lines.map((line) => (/^(ssh|ecdsa)-/.test(line) ? `${name} ${line}` : line));
    writeFileSync(at(file), `${whole.join('\n')}\n`, { mode: 0o644 });
    return at(file);
  };
  makeKey('host_ed25519');
  makeKey('host_ecdsa', 'ecdsa');
  allow(makeKey('identity'));
  writeFileSync(
    at('sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${at('host_ed25519')}`,
      `HostKey ${at('host_ecdsa')}`,
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      // It wants no folder on the way that everybody may write to, as /var/tmp is.
      'StrictModes no',
      ...SSHD_RULES,
      '',
    ].join('\n'),
  );
  // Debian's service makes it when it starts; sshd wants it empty.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server = await startRestartable([SSHD, '-D', '-e', '-f', at('sshd_config')], at('log'), () => answers(port));
  const address: SshAddress = {
    server: 'web1',
    host: '127.0.0.1',
    port,
    user: userInfo().username,
    knownHosts: know('known_hosts', publicKey('host_ed25519')),
    identityFile: at('identity'),
  };
  return {
    port,
    folder,
    server,
    address,
    makeKey,
    allow,
    know,
    publicKey,
    host: (more = {}, options = {}) =>
      createSshHost({
        address: { ...address, ...more },
        master: createLocalHost({ name: 'here' }),
        version,
        installCommand: 'install it',
        ...options,
      }),
    crash() {
      const own = at('sshd_config');
      const [main] = readdirSync('/proc').filter(
        (pid) => textOf(pid, 'comm') === 'sshd\n' && textOf(pid, 'cmdline').includes(own),
      );
      if (main === undefined) throw new Error('sshd does not run');
      const all = [main];
      for (const pid of all)
        all.push(
          ...textOf(pid, `task/${pid}/children`)
            .split(' ')
            .filter((child) => textOf(child, 'comm') === 'sshd\n'),
        );
      for (const pid of all) process.kill(Number(pid), 'SIGKILL');
    },
    async remove() {
      await server.kill();
      removePrivateFolder(folder);
    },
  };
}

/** Empty for a process that is none, or is gone. */
function textOf(pid: string, file: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/${file}`, 'latin1') : '';
  } catch {
    return '';
  }
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const tell = (does: boolean): void => {
      socket.destroy();
      resolve(does);
    };
    socket.once('data', () => tell(true)).once('error', () => tell(false));
  });
}
