import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import type { Completed, Host } from '../host';
import { shellLine } from './shell-words';

/** A program that an administrator has run at a server, as root. */
export interface AdminCommand {
  readonly argv: readonly [string, ...string[]];
  /** Its standard input: a file of the master's, or text. Default: empty. */
  readonly input?: { readonly file: string } | { readonly text: string };
}

export interface AdminLogin {
  /** The name of the server in the configuration. */
  readonly server: string;
  /** As OpenSSH's `ssh` takes it: a machine, user@machine, or a name of the administrator's own configuration. */
  readonly destination: string;
  readonly port: number | null;
  /** In the place of his own configuration of SSH. */
  readonly configuration: string | null;
  /** The administrator's own: where his agent is, and his home. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A connection that several programs are run over; while there is none, each makes its own. */
interface SharedConnection {
  readonly socket: string;
  close(): Promise<void>;
}

/** OpenSSH's word for its own failures. */
const SSH_FAILED = 255;

/** However a command there ended, where that is an answer. */
export const ANY_EXIT_CODE: readonly number[] = Array.from({ length: SSH_FAILED }, (_, code) => code);
const CONNECT_WITHIN_S = 15;
const WITHIN_MS = 15 * 60_000;
/** Nothing that `ssh` would take for an option. */
const DESTINATION = /^[^\s-][^\s]*$/;
const DELIMITER = 'KEDGE_END';

/**
 * A server as its administrator reaches it: by OpenSSH's own `ssh`, with his configuration, his keys and the servers he knows. Nobody is
 * there to be asked for a password.
 */
export class AdminShell {
  /** Whether the login is that of another account, which becomes root by sudo; null until that was asked. */
  private sudo: boolean | null = null;
  private shared: SharedConnection | null = null;

  /** @throws KedgeError UsageInvalid for what is no destination */
  constructor(
    private readonly master: Host,
    private readonly login: AdminLogin,
    private readonly operation: Operation,
  ) {
    if (!DESTINATION.test(login.destination))
      throw new KedgeError('UsageInvalid', `${JSON.stringify(login.destination)} is no machine to log in to`, {
        hint: 'Say --login user@host, or a name of your own SSH configuration.',
      });
  }

  /** Runs a program there as root. @throws KedgeError HostUnreachable, HostLoginRefused; ProgramFailed for another exit code than these */
  async run(command: AdminCommand, acceptExitCodes: readonly number[] = [0]): Promise<Completed> {
    return this.ssh({ ...command, argv: this.asRoot(await this.becomesRoot(), command.argv) }, acceptExitCodes);
  }

  /** The line by which a person does the same on the master. */
  async lineOf({ argv, input }: AdminCommand): Promise<string> {
    const line = shellLine([
      'ssh',
      ...this.options(),
      this.login.destination,
      shellLine(this.asRoot(await this.becomesRoot(), argv)),
    ]);
    if (input === undefined) return line;
    if ('file' in input) return `${line} < ${shellLine([input.file])}`;
    return `${line} <<'${DELIMITER}'\n${input.text.replace(/\n$/, '')}\n${DELIMITER}`;
  }

  /** Ends what it has open. */
  async close(): Promise<void> {
    await this.shared?.close();
    this.shared = null;
  }

  private async becomesRoot(): Promise<boolean> {
    if (this.sudo === null) {
      const { stdout } = await this.ssh({ argv: ['id', '-u'] }, [0]);
      this.sudo = stdout.trim() !== '0';
      // He is let in: what follows need not log in again.
      this.shared ??= await this.share();
    }
    return this.sudo;
  }

  private asRoot(sudo: boolean, argv: AdminCommand['argv']): AdminCommand['argv'] {
    return sudo ? ['sudo', '-n', '--', ...argv] : argv;
  }

  private options(): string[] {
    const { configuration, port } = this.login;
    return [...(configuration === null ? [] : ['-F', configuration]), ...(port === null ? [] : ['-p', String(port)])];
  }

  /** Null where the administrator's own configuration sees to that. */
  private async share(): Promise<SharedConnection | null> {
    const { destination, environment } = this.login;
    const { master, operation } = this;
    const asked = await master.run({ argv: ['ssh', '-G', ...this.options(), destination], environment, operation });
    if (/^controlpath (?!none$)/m.test(asked.stdout)) return null;
    const folder = await mkdtemp(join(tmpdir(), 'kedge-ssh-'));
    const socket = join(folder, 's');
    const stop = new AbortController();
    const running = master
      .run({
        argv: [
          ...(['ssh', '-M', '-N', '-T', '-S', socket] as const),
          ...['-o', 'BatchMode=yes', '-o', 'ControlPersist=no', ...this.options()],
          destination,
        ],
        environment,
        operation: { ...operation, signal: AbortSignal.any([operation.signal, stop.signal]) },
      })
      // Without it each program logs in by itself, and says then why it cannot.
      .catch(() => undefined);
    return {
      socket,
      async close() {
        stop.abort();
        await running;
        await rm(folder, { recursive: true, force: true });
      },
    };
  }

  private async ssh({ argv, input }: AdminCommand, acceptExitCodes: readonly number[]): Promise<Completed> {
    const { server, destination, environment } = this.login;
    const completed = await this.master.run({
      argv: [
        'ssh',
        ...['-T', '-o', 'BatchMode=yes', '-o', `ConnectTimeout=${CONNECT_WITHIN_S}`],
        ...(this.shared === null ? [] : ['-S', this.shared.socket]),
        ...this.options(),
        destination,
        shellLine(argv),
      ],
      environment,
      ...(input === undefined ? {} : { input: 'text' in input ? input.text : createReadStream(input.file) }),
      limits: { timeoutMs: WITHIN_MS, captureBytes: 4 * 1024 ** 2 },
      acceptExitCodes: Array.from({ length: SSH_FAILED + 1 }, (_, code) => code),
      operation: this.operation,
    });
    const { exitCode, stderr } = completed;
    if (acceptExitCodes.includes(exitCode)) return completed;
    const said = stderr.trim().split('\n').slice(-3).join('; ');
    if (exitCode === SSH_FAILED) {
      const isRefused = /permission denied|host key verification|too many authentication/i.test(stderr);
      throw new KedgeError(
        isRefused ? 'HostLoginRefused' : 'HostUnreachable',
        `no login to ${destination}, to prepare ${server}: ${said}`,
        {
          server,
          hint: `Try it by hand: \`ssh ${destination} id\`. It has to work without a question; --login names another login.`,
        },
      );
    }
    if (/^sudo: /m.test(stderr))
      throw new KedgeError('HostLoginRefused', `${destination} does not become root there: ${said}`, {
        server,
        hint: 'Say --login with an account that is root, or that may become it by sudo without a password; or see --print.',
      });
    throw new KedgeError('ProgramFailed', `${argv[0]} on ${server} ended with ${exitCode}: ${said}`, { server });
  }
}
