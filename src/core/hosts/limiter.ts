import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type ControlGroups, DEFAULT_GROUP_LIMITS, controlGroups } from './control-groups';
import type { Command, LimitMeans } from './host';

/** What holds the programs of a host to their limits. */
export interface Limiter {
  readonly means: LimitMeans;
  /** Null unless `means` is `control-group`. */
  readonly groups: ControlGroups | null;
}

const BEST_FIRST: readonly LimitMeans[] = ['control-group', 'user-namespace', 'account'];

/** The best limiter there is for this process, but none better than `atBest`. */
export async function limiterFor(privileged: boolean, atBest: LimitMeans = 'control-group'): Promise<Limiter> {
  const allowed = BEST_FIRST.slice(BEST_FIRST.indexOf(atBest));
  const groups = allowed.includes('control-group') ? await controlGroups() : null;
  if (groups) return { means: 'control-group', groups };
  // An ordinary user's sandbox is a user namespace already.
  const byNamespace = allowed.includes('user-namespace') && (!privileged || (await ownersMayUnshare()));
  return { means: byNamespace ? 'user-namespace' : 'account', groups: null };
}

/**
 * The part of a confined command line that limits it, to stand before the program and, where there is one, behind what makes
 * it its owner's. A user namespace counts processes of its own alone (Linux 5.14) when the limit is set within it.
 */
export function limited({ limits = {}, owner }: Command, means: LimitMeans, privileged: boolean): string[] {
  const options: string[] = [];
  if (means !== 'control-group') {
    // Of memory, address space that is only reserved does not count where no limit was asked for: threads reserve much.
    if (limits.memoryBytes === undefined) options.push(`--data=${DEFAULT_GROUP_LIMITS.memoryBytes}`);
    else options.push(`--as=${limits.memoryBytes}`);
    const processes = limits.processes ?? (means === 'user-namespace' ? DEFAULT_GROUP_LIMITS.processes : undefined);
    if (processes !== undefined) options.push(`--nproc=${processes}`);
  }
  if (limits.fileBytes !== undefined) options.push(`--fsize=${limits.fileBytes}`);
  const unshares = means === 'user-namespace' && privileged && owner !== undefined;
  return [...(unshares ? UNSHARE : []), ...(options.length === 0 ? [] : ['prlimit', ...options, '--'])];
}

const UNSHARE = ['unshare', '--user', '--map-current-user', '--'];

let mayUnshare: Promise<boolean> | undefined;

/** Whether an account without privileges may make a user namespace; some distributions forbid it. */
function ownersMayUnshare(): Promise<boolean> {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--no-new-privs', '--'];
  return (mayUnshare ??= promisify(execFile)('setpriv', [...nobody, ...UNSHARE, 'true'], { timeout: 10_000 }).then(
    () => true,
    () => false,
  ));
}
