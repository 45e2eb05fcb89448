import type { Complaint } from '../../contract/findings';
import { type KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Check } from './run-checks';

/** A program of the system that Kedge runs. */
export interface Requirement {
  /** Names it goes by, the preferred one first. */
  readonly names: readonly [string, ...string[]];
  /** What it is needed for. */
  readonly need: string;
  readonly debian: string;
  readonly fedora: string;
  /** Stands in what it says of itself: another program of the name will not do. */
  readonly flavour?: string;
  /** Oldest version that knows the options Kedge uses. */
  readonly minimum?: string;
}

export const REQUIREMENTS: readonly Requirement[] = [
  { names: ['bwrap'], need: 'the sandbox of every program', ...both('bubblewrap'), minimum: '0.5.0' },
  { names: ['setpriv'], need: 'acting as the owner of a site', ...both('util-linux'), minimum: '2.33' },
  { names: ['prlimit'], need: 'limits of confined programs', ...both('util-linux') },
  { names: ['flock'], need: 'the lock of a site', ...both('util-linux') },
  { names: ['getent'], need: 'looking up accounts', debian: 'libc-bin', fedora: 'glibc-common' },
  { names: ['tar'], need: 'archives', ...both('tar'), flavour: 'GNU tar', minimum: '1.28' },
  { names: ['zstd'], need: 'archives', ...both('zstd') },
  { names: ['gzip'], need: 'archives', ...both('gzip') },
  { names: ['bzip2'], need: 'reading old archives', ...both('bzip2') },
  { names: ['find'], need: 'looking through site folders', ...both('findutils'), flavour: 'GNU findutils' },
  { names: ['php'], need: 'reading of settings', ...both('php-cli') },
  { names: ['mariadb', 'mysql'], need: 'import of dumps', debian: 'mariadb-client', fedora: 'mariadb' },
  { names: ['stdbuf'], need: 'dumps', ...both('coreutils') },
  { names: ['mariadb-dump', 'mysqldump'], need: 'dumps', debian: 'mariadb-client', fedora: 'mariadb' },
];

/** What can be known of a machine without a configuration. */
export const MACHINE_CHECKS: readonly Check<Host>[] = [
  { check: 'programs', run: checkPrograms },
  { check: 'sandbox', run: checkSandbox },
];

async function checkPrograms(host: Host, operation: Operation): Promise<readonly Complaint[]> {
  const confined = (await sandboxFailure(host, operation)) === null;
  const complaints: Complaint[] = [];
  for (const requirement of REQUIREMENTS)
    complaints.push(...(await checkProgram(host, requirement, confined, operation)));
  return complaints;
}

/** The program is there, where confined ones look when `confined`; is of the right kind; and is not too old. */
export async function checkProgram(
  host: Host,
  requirement: Requirement,
  confined: boolean,
  operation: Operation,
): Promise<readonly Complaint[]> {
  const { names, need, flavour, minimum } = requirement;
  for (const name of names) {
    const said = await askVersion(host, name, confined, operation);
    if (said === null) continue;
    const version = (/Distrib (\d+(?:\.\d+)+)/.exec(said) ?? /(\d+(?:\.\d+)+)/.exec(said))?.[1];
    operation.log.info(`${name} ${version ?? 'of unknown version'} is installed on ${host.name}`);
    if (flavour !== undefined && !said.includes(flavour))
      return [missing(requirement, `${name} on ${host.name} is not ${flavour}, which is needed for ${need}`)];
    if (minimum !== undefined && version !== undefined && isOlder(version, minimum))
      return [
        missing(
          requirement,
          `${name} ${version} on ${host.name} is older than ${minimum}, which is needed for ${need}`,
        ),
      ];
    return [];
  }
  return [missing(requirement, `${names.join(' or ')} is not installed on ${host.name}; it is needed for ${need}`)];
}

/** A program runs confined: what bubblewrap needs of the kernel is there too. */
async function checkSandbox(host: Host, operation: Operation): Promise<readonly Complaint[]> {
  const failure = await sandboxFailure(host, operation);
  if (failure === null) return checkLimits(host, operation);
  const hint = (await host.account()).privileged
    ? 'Install bubblewrap; in a container allow it to make namespaces (CAP_SYS_ADMIN).'
    : 'Install bubblewrap; allow user namespaces (`sysctl kernel.unprivileged_userns_clone user.max_user_namespaces`).';
  return [{ level: 'error', message: failure.message, hint }];
}

/** What holds confined programs to their limits; see {@link LimitMeans}. */
async function checkLimits(host: Host, operation: Operation): Promise<readonly Complaint[]> {
  const means = await host.limitMeans();
  if (means === 'control-group') return [];
  const hint =
    'Let the worker make control groups that count memory and processes: as a service of systemd with ' +
    '`Delegate=memory pids`, as packaging/systemd has it.';
  if (means === 'user-namespace') {
    operation.log.info(
      `on ${host.name} the memory of confined programs is limited one by one, not as a whole: no control group can be made. ${hint}`,
    );
    return [];
  }
  return [
    {
      level: 'warning',
      message: `on ${host.name} the processes of a site's owner count against the limit of what Kedge runs as him, and memory is limited one by one: neither a control group nor a user namespace can be made`,
      hint,
    },
  ];
}

async function sandboxFailure(host: Host, operation: Operation): Promise<KedgeError | null> {
  try {
    // With a folder shown, which old versions of bubblewrap do not know how to do safely.
    await host.run({ argv: ['true'], sandbox: { readOnly: [{ from: '/usr', to: '/shown' }] }, operation });
    return null;
  } catch (error) {
    if (isKedgeError(error) && error.code === 'SandboxUnavailable') return error;
    throw error;
  }
}

/** What a program says of its version; null when it is not there. */
async function askVersion(host: Host, name: string, confined: boolean, operation: Operation): Promise<string | null> {
  try {
    const { stdout, stderr } = await host.run({
      argv: [name, '--version'],
      ...(confined ? { sandbox: {} } : {}),
      // 1 is also how bubblewrap ends when it finds no such program.
      acceptExitCodes: [0, 1],
      operation,
    });
    return stderr.startsWith('bwrap: execvp ') ? null : stdout + stderr;
  } catch (error) {
    if (isKedgeError(error) && (error.code === 'ProgramMissing' || error.code === 'SandboxUnavailable')) return null;
    throw error;
  }
}

function missing({ debian, fedora }: Requirement, message: string): Complaint {
  return { level: 'error', message, hint: `Install the package ${packageName({ debian, fedora })}.` };
}

function packageName({ debian, fedora }: Pick<Requirement, 'debian' | 'fedora'>): string {
  return debian === fedora ? `${debian} (Debian and Fedora)` : `${debian} (Debian) or ${fedora} (Fedora)`;
}

function both(name: string): Pick<Requirement, 'debian' | 'fedora'> {
  return { debian: name, fedora: name };
}

function isOlder(version: string, minimum: string): boolean {
  const [mine, least] = [version.split('.').map(Number), minimum.split('.').map(Number)];
  for (const [index, part] of least.entries()) {
    const own = mine[index] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}
