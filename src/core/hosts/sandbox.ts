import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Bind, Command, LimitMeans, Sandbox } from './host';
import { limited } from './limiter';
import type { Owner } from '../../contract/target';

/** Where bubblewrap tells the first process of the namespace; closed before the program starts. */
export const INFO_DESCRIPTOR = 5;
/** From here on the sources of the binds, in the order of {@link bindsOf}. Bubblewrap closes them before the program starts. */
export const FIRST_SOURCE_DESCRIPTOR = 6;

/** What fits into /tmp of a sandbox, and into /dev/shm: nothing that programs of Kedge's do needs either. */
const TEMPORARY_BYTES = 256 * 1024 ** 2;
const SHARED_MEMORY_BYTES = 16 * 1024 ** 2;

/** The parts of /etc that programs need; all else of it does not exist in a sandbox. */
const SYSTEM_CONFIGURATION = [
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'alternatives',
  'passwd',
  'group',
  'nsswitch.conf',
  'hosts',
  'resolv.conf',
  'localtime',
  'ssl',
  'ca-certificates',
  'php',
  'php.ini',
  'php.d',
  'mysql',
  'my.cnf',
  'my.cnf.d',
  'mime.types',
];

/** Program folders; on systems with a merged /usr all but the first are links into it. */
const SYSTEM_FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** How it is confined on this host. */
export interface Confinement {
  readonly privileged: boolean;
  readonly means: LimitMeans;
  /** The program starts when something was written to the last descriptor. */
  readonly waits: boolean;
  /** The descriptor behind the sources of the binds holds a filter of system calls. Default: there is none. */
  readonly filters?: boolean;
}

/**
 * The bubblewrap command line that confines a command. As root without a user namespace, so that owners of files stay
 * what they are; as anybody else within one. Sources are handed over opened: a path would be followed once more, wherever
 * the owner of a folder on the way has let it lead meanwhile. Bubblewrap compares what it mounted with the descriptor.
 *
 * What the sandbox itself is made of (its root, /dev) is a file system in memory without a limit: it becomes read-only, and
 * what can be written besides the folders that are shown has a size.
 */
export function confine(
  command: Command,
  sandbox: Sandbox,
  { privileged, means, waits, filters = false }: Confinement,
): string[] {
  const argv = [
    'bwrap',
    '--info-fd',
    String(INFO_DESCRIPTOR),
    '--die-with-parent',
    '--new-session',
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup-try',
  ];
  if (!sandbox.network) argv.push('--unshare-net');
  if (!privileged) argv.push('--unshare-user');
  argv.push(...systemFolders());
  // An owner cannot read them anyway.
  if (privileged && command.owner === undefined) argv.push(...hiddenConfiguration());
  argv.push('--proc', '/proc', ...readOnlyKernelSettings());
  if (privileged && command.owner === undefined) argv.push('--remount-ro', '/proc');
  argv.push('--dev', '/dev', ...temporary('/dev/shm', SHARED_MEMORY_BYTES), '--remount-ro', '/dev');
  argv.push(...temporary('/tmp', command.limits?.temporaryBytes ?? TEMPORARY_BYTES));
  const binds = bindsOf(sandbox);
  if (filters) argv.push('--seccomp', String(FIRST_SOURCE_DESCRIPTOR + binds.length));
  if (waits) argv.push('--block-fd', String(FIRST_SOURCE_DESCRIPTOR + binds.length + Number(filters)));
  argv.push(...passableFolders(binds.map(({ from, to }) => to ?? from)));
  for (const [at, { from, to, writable }] of binds.entries())
    argv.push(writable ? '--bind-fd' : '--ro-bind-fd', String(FIRST_SOURCE_DESCRIPTOR + at), to ?? from);
  argv.push('--remount-ro', '/');
  if (sandbox.workingFolder !== undefined) argv.push('--chdir', sandbox.workingFolder);
  const switches = privileged && command.owner !== undefined;
  argv.push('--clearenv', ...environmentOf(switches ? {} : command.environment));
  argv.push('--cap-drop', 'ALL');
  // In an ordinary user's namespace they reach its own files alone: those it may not read or change by their modes too.
  const kept = command.owner === undefined ? (sandbox.capabilities ?? []) : [];
  const capabilities = switches ? ['SETUID', 'SETGID'] : kept;
  for (const capability of capabilities) argv.push('--cap-add', `CAP_${capability}`);
  argv.push(
    '--',
    ...(switches && command.owner ? asOwner(command.owner, command.environment) : []),
    ...limited(command, means, privileged),
    ...command.argv,
  );
  return argv;
}

/** All that a sandbox shows, in the order in which it is mounted. */
export function bindsOf(sandbox: Sandbox): readonly (Bind & { readonly writable: boolean })[] {
  return [
    ...(sandbox.readOnly ?? []).map((bind) => ({ ...bind, writable: false })),
    ...(sandbox.writable ?? []).map((bind) => ({ ...bind, writable: true })),
  ];
}

/** Folders that bubblewrap makes on the way to a bind are closed to all but root, unless they are made before. */
function passableFolders(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let folder = dirname(path); folder !== '/'; folder = dirname(folder)) folders.add(folder);
  }
  return [...folders].sort().flatMap((folder) => ['--perms', '0755', '--dir', folder]);
}

function systemFolders(): string[] {
  const argv = ['--perms', '0755', '--dir', '/etc'];
  for (const path of SYSTEM_FOLDERS) {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status?.isSymbolicLink()) argv.push('--symlink', readlinkSync(path), path);
    else if (status) argv.push('--ro-bind', path, path);
  }
  for (const name of SYSTEM_CONFIGURATION) argv.push('--ro-bind-try', `/etc/${name}`, `/etc/${name}`);
  return argv;
}

/**
 * What of that configuration is for root's eyes: keys, and passwords of database clients. A program that runs as root without any
 * capability could read it, and none of Kedge's needs it.
 */
function hiddenConfiguration(): string[] {
  return [...SYSTEM_CONFIGURATION.map((name) => `/etc/${name}`), '/usr/local/etc'].flatMap(hiddenIn);
}

function hiddenIn(path: string): string[] {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status?.isDirectory()) {
    if ((status.mode & 0o005) !== 0o005) return ['--tmpfs', path, '--remount-ro', path];
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || entry.isFile())
      .flatMap(({ name }) => hiddenIn(join(path, name)));
  }
  return status?.isFile() && (status.mode & 0o004) === 0 ? ['--ro-bind', '/dev/null', path] : [];
}

/**
 * Kernel settings go by uid, not by capability: root without any could still name the program that handles crashes of
 * the whole machine (`core_pattern`). These are file systems of their own; for root all else of /proc is read-only too,
 * whatever drivers of this machine have put there (/proc/scsi, /proc/acpi, /proc/fs). Who runs a program as its owner is held by its modes,
 * and may write to what is his, such as `oom_score_adj`.
 */
function readOnlyKernelSettings(): string[] {
  return ['/proc/sys', '/proc/sysrq-trigger'].flatMap((path) => ['--ro-bind-try', path, path]);
}

function temporary(path: string, bytes: number): string[] {
  return ['--size', String(bytes), '--perms', '1777', '--tmpfs', path];
}

function environmentOf(more: Command['environment']): string[] {
  const variables = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: '/tmp', ...more };
  return Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]);
}

/**
 * Leaving root takes every capability away; none comes back. Variables come behind that: one of them may name what is loaded into
 * every program (LD_PRELOAD), and so be run by who may still become anybody.
 */
function asOwner({ uid, gid }: Owner, environment: Command['environment'] = {}): string[] {
  const leave = [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--no-new-privs',
    '--',
  ];
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  // The program's own name may hold an equals sign, and env would take it for a variable.
  return variables.length === 0 ? leave : [...leave, 'env', ...variables, 'setpriv', '--no-new-privs', '--'];
}
