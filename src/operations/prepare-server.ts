import { version } from '../../package.json';
import { hostRulesText } from '../config/host-rules';
import type { Configuration } from '../config/schema';
import { type SshPlace, assertSshServer } from '../config/ssh';
import { KedgeError } from '../contract/errors';
import { rootsOf } from '../contract/target';
import type { Host } from '../core/hosts/host';
import { BUILT_PROGRAM } from '../core/hosts/prepare/built-program';
import { loginKeys } from '../core/hosts/prepare/login-key';
import { fileOwnersOf } from '../core/hosts/prepare/owners';
import { NEEDED, NEEDED_OF_WEB, confinement, packages } from '../core/hosts/prepare/packages';
import { type Travelling, hostProgram, launcher, lookAtFile, node } from '../core/hosts/prepare/program';
import { stagingFoldersOf } from '../core/hosts/prepare/staging';
import { type Step, type StepDone, carryOut } from '../core/hosts/prepare/step';
import { timer } from '../core/hosts/prepare/timer';
import { AdminShell } from '../core/hosts/ssh/admin-shell';
import type { Operation } from '../core/operation';
import type { Parts } from './parts';

export interface PrepareOptions {
  /** As `ssh` takes it; null: the machine of the configuration, as whoever the administrator's own SSH says. */
  readonly login: string | null;
  /** A file that `ssh` reads in the place of the administrator's own configuration. */
  readonly sshConfig: string | null;
  readonly install: boolean;
  /** Tells what would be done, and does nothing. */
  readonly print: boolean;
  readonly environment: Record<string, string | undefined>;
}

export interface Prepared {
  readonly server: string;
  /** What was not so, and is now; with `print` what would be done. */
  readonly steps: readonly StepDone[];
  /** What a person has to do there before it is ready, in sentences. */
  readonly left: readonly string[];
  /** Why it does not answer to the master yet; null when it does, or was not asked. */
  readonly problem: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

const RULES_FILE = '/etc/kedge/host.yaml';

/**
 * Makes a server ready for its master over the login of an administrator: each thing is looked at, and done where it is not so. Twice does
 * nothing.
 * @throws KedgeError ServerUnknown, UsageInvalid; HostUnreachable, HostLoginRefused of the administrator's login; HostProgramUnfit where no Node
 *   runs the program; OwnerRefused where others than root could change it; SecretUnavailable without a key of the master; ProgramFailed
 */
export async function prepareServer(
  parts: Pick<Parts, 'master' | 'remoteHostOf' | 'redact'>,
  configuration: Configuration,
  name: string,
  { login, sshConfig, install, print, environment }: PrepareOptions,
  operation: Operation,
  tell: (what: string) => void,
): Promise<Prepared> {
  const { master } = parts;
  const { place, server } = assertSshServer(configuration, name);
  const keys = await publicKeysOf(master, place, operation);
  const shell = new AdminShell(
    master,
    {
      server: name,
      destination: login ?? place.host,
      port: login === null && place.port !== 22 ? place.port : null,
      configuration: sshConfig,
      environment: ownEnvironment(environment),
    },
    operation,
  );
  const travelling = await whatTravels(master, operation);
  const needed = [...NEEDED, ...(server.web ? NEEDED_OF_WEB : [])];
  const steps: Step[] = [
    packages(shell, needed, install),
    confinement(shell, place.user),
    hostProgram(shell, name, travelling),
    node(shell, name, travelling),
    launcher(shell, name, travelling),
    rulesFile(shell, configuration, place),
    ...(server.web ? [timer(shell, { server: name, user: place.user, flags: server.web.flags })] : []),
    loginKeys(shell, { server: name, user: place.user, master: configuration.master }, keys),
  ];
  try {
    const { done, left } = await carryOut(shell, steps, { print, signal: operation.signal, tell });
    const isReady = !print && left.length === 0;
    return { server: name, steps: done, left, problem: isReady ? await problemOf(parts, name) : null };
  } finally {
    await shell.close();
  }
}

/** What the master may touch there, by the configuration as it is now. */
function rulesFile(shell: AdminShell, configuration: Configuration, { server, user }: SshPlace): Step {
  return {
    what: RULES_FILE,
    async look() {
      const sites = Object.values(configuration.sites).filter((site) => site.server === server);
      const folders = sites.flatMap((site) => rootsOf(site).map(({ path }) => path));
      const text = hostRulesText(configuration, server, {
        staging: await stagingFoldersOf(shell, user, folders),
        owners: await fileOwnersOf(shell, folders),
      });
      return lookAtFile(shell, RULES_FILE, '644', Buffer.from(text), { text });
    },
  };
}

/** Why the master does not reach it, as the worker would. */
async function problemOf(
  { remoteHostOf, redact }: Pick<Parts, 'remoteHostOf' | 'redact'>,
  name: string,
): Promise<Prepared['problem']> {
  const host = remoteHostOf(name);
  try {
    // What was connected before started the program that was there then.
    await host?.close();
    await host?.connect();
    return null;
  } catch (error) {
    if (!(error instanceof KedgeError)) throw error;
    return redact({ code: error.code, message: error.message, hint: error.hint });
  }
}

async function whatTravels(master: Host, operation: Operation): Promise<Travelling> {
  const { stdout } = await master.run({ argv: ['uname', '-m'], operation });
  const { node_shared: shared } = process.config.variables as { node_shared?: unknown };
  return {
    program: { file: BUILT_PROGRAM, content: await master.readFile(BUILT_PROGRAM, 16 * 1024 ** 2), version },
    node: {
      file: process.execPath,
      architecture: stdout.trim(),
      isShared: shared === true || shared === 'true',
    },
  };
}

/** The public keys by which the worker logs in: type and key. @throws KedgeError SecretUnavailable */
async function publicKeysOf(
  master: Host,
  { server, identityFile, agent }: SshPlace,
  operation: Operation,
): Promise<string[]> {
  const unavailable = (why: string, hint: string): KedgeError =>
    new KedgeError('SecretUnavailable', `there is no key to let the master in at ${server}: ${why}`, { server, hint });
  const texts: string[] = [];
  if (identityFile !== undefined) {
    if ((await master.status(identityFile)) === undefined)
      throw unavailable(
        `${identityFile} does not exist`,
        `Make it: \`ssh-keygen -t ed25519 -N '' -f ${identityFile}\`, as the account the worker runs as.`,
      );
    const { exitCode, stdout, stderr } = await master.run({
      argv: ['ssh-keygen', '-y', '-P', '', '-f', identityFile],
      acceptExitCodes: [0, 1, 255],
      operation,
    });
    if (exitCode !== 0)
      throw unavailable(
        `${identityFile} is not read: ${stderr.trim()}`,
        'It is to be a private key without a passphrase, 0600.',
      );
    texts.push(stdout);
  }
  if (agent !== undefined) {
    const { exitCode, stdout, stderr } = await master.run({
      argv: ['ssh-add', '-L'],
      environment: { SSH_AUTH_SOCK: agent },
      acceptExitCodes: [0, 1, 2],
      operation,
    });
    if (exitCode !== 0 && texts.length === 0)
      throw unavailable(
        `the agent at ${agent} has none: ${(stderr || stdout).trim()}`,
        'Start the agent, and give it a key.',
      );
    if (exitCode === 0) texts.push(...stdout.split('\n'));
  }
  const keys = texts.flatMap((line) => /^([a-z0-9@.-]+ [A-Za-z0-9+/=]+)/.exec(line.trim())?.[1] ?? []);
  return [...new Set(keys)];
}

/** What `ssh` finds the administrator's own configuration, keys and agent by. */
function ownEnvironment(environment: Record<string, string | undefined>): Record<string, string> {
  const own = ['HOME', 'USER', 'LOGNAME', 'SSH_AUTH_SOCK'].map((name) => [name, environment[name]] as const);
  return Object.fromEntries(own.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
