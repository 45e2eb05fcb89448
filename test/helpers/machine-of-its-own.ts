import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isNativeError } from 'node:util/types';
import { promisify } from 'node:util';
import { until } from './until';

const run = promisify(execFile);

/** All that root has here. */
const ALL = ['ALL'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MAXIMUM_OUTPUT = 64 * 1024 * 1024;

/** How a program runs in a machine. */
export interface MachineOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingFolder?: string;
  /** Without CAP_. Default all. */
  readonly capabilities?: readonly string[];
  /** A network of its own (`ip netns`), without a way out. Default that of this machine. */
  readonly network?: string;
}

/**
 * A Debian with nothing but Node, in a folder: what is installed there, this machine does not see. It has processes, devices
 * and, where asked for, a network of its own.
 */
export class MachineOfItsOwn {
  private constructor(readonly root: string) {}

  /**
   * Installs it, of this machine's version and from where this machine takes its packages; takes half a minute. Remove it
   * with `remove`.
   */
  static async install(): Promise<MachineOfItsOwn> {
    const parent = await mkdtemp('/var/tmp/kedge-machine-');
    await chmod(parent, 0o755);
    const machine = new MachineOfItsOwn(join(parent, 'root'));
    try {
      await machine.bootstrap();
    } catch (error) {
      await machine.remove();
      throw error;
    }
    return machine;
  }

  /** Another one, as this one is now. */
  async copy(): Promise<MachineOfItsOwn> {
    const parent = await mkdtemp('/var/tmp/kedge-machine-');
    await chmod(parent, 0o755);
    await run('cp', ['--archive', '--reflink=auto', this.root, parent]);
    return new MachineOfItsOwn(join(parent, 'root'));
  }

  async remove(): Promise<void> {
    await run('rm', ['-rf', '--one-file-system', dirname(this.root)]);
  }

  /** Path on this machine of a path there. */
  path(path: string): string {
    return join(this.root, path);
  }

  /** Runs a shell's command line there and returns what it says, on either stream. @throws when it fails */
  async sh(script: string, options: MachineOptions = {}): Promise<string> {
    const command = this.argv(['/bin/sh', '-c', script], options);
    // Node's pipes are sockets, which programs cannot open by /dev/stderr.
    const piped = ['-o', 'pipefail', '-c', '"$@" 2>&1 | cat', 'bash', ...command];
    const { stdout } = await run('bash', piped, { maxBuffer: MAXIMUM_OUTPUT }).catch((error: unknown) => {
      throw isNativeError(error) && 'stdout' in error ? new Error(String(error.stdout).slice(-4000)) : error;
    });
    return stdout;
  }

  /** Starts a program there as its first process; all it starts ends with it. */
  async start(argv: readonly string[], options: MachineOptions = {}): Promise<RunningMachine> {
    const folder = dirname(this.root);
    const [log, info] = [openSync(join(folder, 'log'), 'w'), openSync(join(folder, 'info'), 'w')];
    const [program = '', ...args] = this.argv(argv, options, ['--as-pid-1', '--info-fd', '3']);
    const child = spawn(program, args, { stdio: ['ignore', log, log, info] });
    closeSync(log);
    closeSync(info);
    const said = (): string => readFileSync(join(folder, 'log'), 'utf8');
    let pid = 0;
    await until('it has its first process', () => {
      pid = Number(/"child-pid": *(\d+)/.exec(readFileSync(join(folder, 'info'), 'utf8'))?.[1] ?? 0);
      return pid !== 0;
    });
    return new RunningMachine(child, pid, options, said);
  }

  private argv(argv: readonly string[], options: MachineOptions, more: readonly string[] = []): string[] {
    const { environment = {}, workingFolder = '/', capabilities = ALL, network } = options;
    return [
      ...(network === undefined ? [] : ['ip', 'netns', 'exec', network]),
      ...['bwrap', '--bind', this.root, '/', '--dev', '/dev', '--proc', '/proc', '--chdir', workingFolder],
      ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session', ...more],
      ...['--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', name === 'ALL' ? name : `CAP_${name}`])],
      ...['--clearenv', '--setenv', 'PATH', PATH, '--setenv', 'HOME', '/root'],
      ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
      ...['--', ...argv],
    ];
  }

  private async bootstrap(): Promise<void> {
    const sources = await debianSources();
    const [first] = sources;
    if (!first) throw new Error('apt on this machine knows no packages of Debian');
    await run('debootstrap', ['--variant=minbase', first.release, this.root, first.site], {
      maxBuffer: MAXIMUM_OUTPUT,
    });
    const lines = sources.map(({ site, release }) => `deb ${site} ${release} main\n`);
    await writeFile(this.path('/etc/apt/sources.list'), lines.join(''));
    await writeFile(this.path('/etc/apt/apt.conf.d/90here'), (await run('apt-config', ['dump', 'Acquire'])).stdout);
    // As in containers, and as an installer would have it who starts services when all is there.
    await writeFile(this.path('/usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    for (const name of ['hosts', 'resolv.conf']) await cp(`/etc/${name}`, this.path(`/etc/${name}`));
    await this.giveNode();
  }

  /** Node and npm of this machine, in /usr/local, and the certificates that they trust here. */
  private async giveNode(): Promise<void> {
    await cp(process.execPath, this.path('/usr/local/bin/node'));
    const { stdout } = await run('npm', ['root', '--global']);
    const modules = '/usr/local/lib/node_modules';
    await mkdir(this.path(modules), { recursive: true });
    await cp(join(stdout.trim(), 'npm'), this.path(`${modules}/npm`), { recursive: true, verbatimSymlinks: true });
    await run('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', this.path('/usr/local/bin/npm')]);
    await run('ln', ['-s', '../lib/node_modules/npm/bin/npx-cli.js', this.path('/usr/local/bin/npx')]);
    const registry = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
    const trusted = process.env['NODE_EXTRA_CA_CERTS'];
    if (trusted !== undefined) await cp(trusted, this.path('/etc/ssl/npm.pem'));
    const cafile = trusted === undefined ? '' : 'cafile=/etc/ssl/npm.pem\n';
    await writeFile(this.path('/root/.npmrc'), `registry=${registry}\n${cafile}`);
  }
}

/** A machine that runs. */
export class RunningMachine {
  private readonly exited: Promise<number>;

  constructor(
    child: ChildProcess,
    /** Of its first process, as this machine sees it. */
    private readonly pid: number,
    private readonly options: MachineOptions,
    /** All it said so far. */
    readonly said: () => string,
  ) {
    this.exited = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 128)));
  }

  /** Runs a program in it with the capabilities and environment that it was started with. */
  async run(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const { capabilities = ALL, environment: own = {} } = this.options;
    const bounds = capabilities.map((name) => (name === 'ALL' ? '+all' : `+${name.toLowerCase()}`));
    const variables = Object.entries({ PATH, HOME: '/root', ...own, ...environment });
    const enter = ['--target', String(this.pid), '--mount', '--pid', '--ipc', '--uts', '--net', '--root', '--wd'];
    const limited = ['setpriv', `--bounding-set=-all,${bounds.join(',')}`, '--no-new-privs', '--'];
    const clean = ['env', '-i', ...variables.map(([name, value]) => `${name}=${value}`)];
    return new Promise((resolve) => {
      execFile(
        'nsenter',
        [...enter, ...clean, ...limited, ...argv],
        { maxBuffer: MAXIMUM_OUTPUT },
        (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 128, stdout, stderr }),
      );
    });
  }

  /** Asks it to end, or tells it to; returns its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    return this.exited;
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where this machine takes Debian's packages from, the release itself first. */
async function debianSources(): Promise<{ site: string; release: string }[]> {
  const format = '$(CREATED_BY)|$(ORIGIN)|$(COMPONENT)|$(SITE)|$(RELEASE)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format]);
  const lines = [...new Set(stdout.split('\n').filter((line) => line.startsWith('Packages|Debian|main|')))];
  return lines
    .map((line) => line.split('|'))
    .map(([, , , site = '', release = '']) => ({ site, release }))
    .sort((one, other) => one.release.length - other.release.length);
}
