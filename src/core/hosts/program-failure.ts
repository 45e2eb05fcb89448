import { constants } from 'node:os';
import { KedgeError } from '../../contract/errors';
import type { ReachedLimit } from './control-groups';
import { DEFAULT_GROUP_LIMITS } from './control-groups';
import type { Command, Completed } from './host';
import type { MasterCommand } from './master-host';
import { bindsOf } from './sandbox';

const MESSAGE_LINES = 8;
/** A shell, bubblewrap and others tell by an exit code above this one which signal ended a program (man 1p sh). */
const SIGNAL_CODE = 128;

/** What nobody sends to a program but an administrator, a service manager, or a kernel that is out of memory. */
const FROM_OUTSIDE: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];
/** tar's words for a compressor that failed; tar starts it by a shell, which may tell in its place. */
const CHILD_FAILED = /^tar: Child (?:died with signal (\d+)|returned status (\d+))$/m;

/** How a program ended, as one number: its exit code, or 128 and the number of the signal that ended it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? (signal === null ? 1 : SIGNAL_CODE + constants.signals[signal]);
}

/** A program met a limit of its own: what it works on asks too much, and will the next time. */
export function limitReached(
  { argv, owner }: Pick<Command, 'argv' | 'owner'>,
  server: string,
  what: string,
): KedgeError {
  return new KedgeError('ProgramLimitReached', `${argv[0]} on ${server} ${what}`, {
    server,
    ...(owner === undefined ? {} : { hint: `Look at what the site of ${owner.user} makes it do.` }),
  });
}

/**
 * Why a program ended that did not do so by itself: by a limit of its own, or by somebody. Null for all else; a crash
 * (SIGSEGV) is a fault of what the program worked on.
 */
export function signalFailure(
  command: Command,
  exitCode: number,
  reached: ReachedLimit | null,
  server: string,
): KedgeError | null {
  if (exitCode === 0) return null;
  if (reached) return limitReached(command, server, `needed more ${amountOf(command, reached)}`);
  if (accepts(command, exitCode)) return null;
  const signal = signalOf(exitCode);
  if (signal === 'SIGXFSZ') return limitReached(command, server, 'wrote a larger file than it may');
  if (signal === 'SIGXCPU') return limitReached(command, server, 'took more time of a processor than it may');
  return signal !== null && FROM_OUTSIDE.includes(signal) ? killed(command, server, signal) : null;
}

/** The error of a program that has ended; null when it ended as it may. */
export function programFailure(
  command: MasterCommand,
  completed: Completed,
  reached: ReachedLimit | null,
  server: string,
): KedgeError | null {
  const { exitCode, stderr } = completed;
  const name = command.argv[0];
  const message = lastLines(stderr.trim());
  // Where the sandbox could not be built the exit code is bubblewrap's, and the program said nothing before it.
  const unconfined = command.sandbox && exitCode !== 0 && stderr.startsWith('bwrap: ');
  if (unconfined) return sandboxFailure(command, message, server);
  const cut = signalFailure(command, exitCode, reached, server);
  if (cut) return cut;
  const childSignal = exitCode === 0 ? null : signalOfChild(stderr);
  if (childSignal !== null && FROM_OUTSIDE.includes(childSignal)) return killed(command, server, childSignal);
  if (accepts(command, exitCode)) return null;
  const limit = command.sandbox && saidLimit(command, message);
  if (limit) return limitReached(command, server, limit);
  // GNU tar's words for a disk that took a part.
  if (/no space left on device|disk quota exceeded|Wrote only \d+ of \d+ bytes/i.test(message)) {
    return new KedgeError('DiskFull', `${name} on ${server}: ${message}`, { server });
  }
  const how = signalOf(exitCode) === null ? `ended with ${exitCode}` : `was ended by ${signalOf(exitCode)}`;
  return new KedgeError('ProgramFailed', `${name} ${how} on ${server}${message === '' ? '' : `: ${message}`}`, {
    server,
  });
}

/** What a program says of a limit that the kernel let it notice. Undefined when it speaks of none of its own. */
function saidLimit(command: MasterCommand, message: string): string | undefined {
  const { sandbox, outputFile } = command;
  const onlyItsOwn = outputFile === undefined && (sandbox?.writable ?? []).length === 0;
  const spaceOfItsOwn = onlyItsOwn || /\/(?:tmp|dev\/shm)\//.test(message);
  if (spaceOfItsOwn && /no space left on device/i.test(message)) return 'wrote more into /tmp than fits';
  if (/memory exhausted|Cannot allocate memory|^Out of memory/im.test(message))
    return `needed more ${amountOf(command, 'memory')}`;
  if (/Cannot fork|fork: (?:retry: )?Resource temporarily unavailable/i.test(message))
    return `needed more ${amountOf(command, 'processes')}`;
  return undefined;
}

function amountOf({ limits }: Command, reached: ReachedLimit): string {
  const { memoryBytes, processes } = { ...DEFAULT_GROUP_LIMITS, ...limits };
  return reached === 'memory'
    ? `than ${Math.round(memoryBytes / 1024 ** 2)} MiB of memory`
    : `than ${processes} processes`;
}

function killed(command: Command, server: string, signal: NodeJS.Signals): KedgeError {
  return new KedgeError('ProgramKilled', `${command.argv[0]} on ${server} was ended from outside, by ${signal}`, {
    server,
  });
}

function sandboxFailure(command: Command, message: string, server: string): KedgeError {
  const name = command.argv[0];
  if (command.sandbox && /^bwrap: Race condition/m.test(message)) {
    const shown = bindsOf(command.sandbox).map(({ from }) => from);
    return new KedgeError(
      'FileRefused',
      `something else was put in the place of ${shown.join(' or ')} on ${server} while ${name} was started`,
      { server, hint: 'Look who renames there: the owner of the site, or of a folder above it.' },
    );
  }
  if (/^bwrap: Unknown option --(ro-)?bind-fd/m.test(message)) {
    return new KedgeError('SandboxUnavailable', `bubblewrap on ${server} is too old to be given folders safely`, {
      server,
      hint: 'Install bubblewrap 0.10, or an older one with the mend of CVE-2024-42472, as distributions have it.',
    });
  }
  if (/^bwrap: (No permissions to create new namespace|Failed to make \/ slave: Invalid argument)/m.test(message)) {
    return new KedgeError(
      'SandboxUnavailable',
      `${name} cannot be confined on ${server}: no namespaces may be made there`,
      {
        server,
        hint:
          'A chroot has none: run Kedge outside of it, or in a container. Elsewhere root may make them, and other accounts ' +
          'where the system lets them (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor).',
      },
    );
  }
  return new KedgeError('SandboxUnavailable', `${name} cannot be confined on ${server}: ${message}`, { server });
}

function accepts({ acceptExitCodes }: Command, exitCode: number): boolean {
  return (acceptExitCodes ?? [0]).includes(exitCode);
}

function signalOf(exitCode: number): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => SIGNAL_CODE + number === exitCode);
  return found === undefined ? null : (found[0] as NodeJS.Signals);
}

function signalOfChild(stderr: string): NodeJS.Signals | null {
  const [, signal, status] = CHILD_FAILED.exec(stderr) ?? [];
  return signalOf(signal === undefined ? Number(status) : SIGNAL_CODE + Number(signal));
}

/** A program that fails at every file says so of every file; an operator needs the last few. */
function lastLines(text: string): string {
  const lines = text.split('\n');
  return lines.length <= MESSAGE_LINES ? text : `…\n${lines.slice(-MESSAGE_LINES).join('\n')}`;
}
