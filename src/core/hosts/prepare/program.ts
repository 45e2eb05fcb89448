import { createHash } from 'node:crypto';
import { KedgeError } from '../../../contract/errors';
import { ANY_EXIT_CODE, type AdminShell } from '../ssh/admin-shell';
import { NODE_FILE, PROGRAM_FILE, PROGRAM_FOLDER, PROGRAM_LAUNCHER } from '../ssh/program-file';
import { IS_SO, type Look, type Step, writing } from './step';
import { isTrustedAt, isTrustedSoFar } from './trusted';

/** What of the master's travels. */
export interface Travelling {
  /** `kedge-host.cjs` of this Kedge. */
  readonly program: { readonly file: string; readonly content: Buffer; readonly version: string };
  readonly node: {
    readonly file: string;
    /** As `uname -m` has it. */
    readonly architecture: string;
    /** Most of it is in a library, which does not travel. */
    readonly isShared: boolean;
  };
}

/** Programs of a server that may be Node, the one that Kedge brought last. */
const FIND_NODE = `PATH=$PATH:/usr/local/bin:/usr/bin
set -f; IFS=:
for folder in $PATH; do
  for name in node nodejs; do [ -f "$folder/$name" ] && [ -x "$folder/$name" ] && echo "$folder/$name"; done
done
[ -x ${NODE_FILE} ] && echo ${NODE_FILE}
true`;
const HASH = 'sha256sum -- "$1" 2>/dev/null | cut -d" " -f1; stat -c "%u %a" -- "$1" 2>/dev/null; true';

/**
 * The program of servers, as this Kedge has it.
 * @throws KedgeError OwnerRefused where others than root could put another one in its place
 */
export function hostProgram(shell: AdminShell, server: string, { program }: Travelling): Step {
  return {
    what: 'the program kedge-host',
    async look() {
      if (!(await isTrustedSoFar(shell, PROGRAM_FOLDER)))
        throw new KedgeError('OwnerRefused', `${PROGRAM_FOLDER} on ${server} can be changed by others than root`, {
          server,
          hint: `What lies there runs as root. Look at \`namei -l ${PROGRAM_FOLDER}\` there: each folder has to belong to root, writable by nobody else.`,
        });
      return lookAtFile(shell, PROGRAM_FILE, '755', program.content, { file: program.file });
    },
  };
}

/**
 * A Node that runs the program, tried by running it there: the server's own, or that of the master.
 * @throws KedgeError HostProgramUnfit where the server has none that does, and that of the master cannot travel
 */
export function node(shell: AdminShell, server: string, { program, node: own }: Travelling): Step {
  return {
    what: 'Node',
    async look() {
      const found = await nodesThere(shell, program);
      if (found.fit !== null) return IS_SO;
      const architecture = (await shell.run({ argv: ['uname', '-m'] })).stdout.trim();
      const why = own.isShared
        ? 'that of the master is linked to a library of its own and does not travel'
        : architecture !== own.architecture
          ? `that of the master is of another architecture (${own.architecture}, and there is ${architecture})`
          : null;
      if (why !== null)
        throw new KedgeError(
          'HostProgramUnfit',
          `${server} has no Node that runs kedge-host${besides(found.ofOthers)}, and ${why}`,
          { server, hint: 'Install Node 20.19 or later there (package nodejs), then run this again.' },
        );
      return { commands: [writing(NODE_FILE, '755', { file: own.file })] };
    },
  };
}

/** What the key of the master starts: Node with the program. Looked at when both are there. */
export function launcher(shell: AdminShell, server: string, { program }: Travelling): Step {
  return {
    what: 'what starts kedge-host',
    async look() {
      // Without any, the one of the master will have been brought.
      const found = (await nodesThere(shell, program)).fit ?? NODE_FILE;
      const content = Buffer.from(
        `#!/bin/sh\n# Of Kedge, written by \`kedge servers prepare ${server}\`.\nexec ${found} ${PROGRAM_FILE} "$@"\n`,
      );
      return lookAtFile(shell, PROGRAM_LAUNCHER, '755', content, { text: content.toString() });
    },
  };
}

/** Whether a file of root's there is this one; else what writes it. */
export async function lookAtFile(
  shell: AdminShell,
  file: string,
  mode: string,
  content: Buffer,
  input: { readonly file: string } | { readonly text: string },
): Promise<Look> {
  const { stdout } = await shell.run({ argv: ['sh', '-c', HASH, 'look', file] });
  const digest = createHash('sha256').update(content).digest('hex');
  return stdout === `${digest}\n0 ${mode}\n` ? IS_SO : { commands: [writing(file, mode, input)] };
}

/** What Node there is at a server. */
interface NodesThere {
  /** The first that runs this very program, handed to it on standard input; null where none does. */
  readonly fit: string | null;
  /** Those before it that were not tried: others than root can change what root would run. */
  readonly ofOthers: readonly string[];
}

async function nodesThere(shell: AdminShell, program: Travelling['program']): Promise<NodesThere> {
  const { stdout } = await shell.run({ argv: ['sh', '-c', FIND_NODE] });
  const found = [...new Set(stdout.split('\n').filter((path) => /^\/[\w./+-]+$/.test(path)))];
  const ofOthers: string[] = [];
  for (const file of found) {
    if (!(await isTrustedAt(shell, file))) {
      ofOthers.push(file);
      continue;
    }
    const tried = await shell.run({ argv: [file, '-', '--version'], input: { file: program.file } }, ANY_EXIT_CODE);
    if (tried.exitCode === 0 && tried.stdout.trim() === program.version) return { fit: file, ofOthers };
  }
  return { fit: null, ofOthers };
}

function besides(ofOthers: readonly string[]): string {
  return ofOthers.length === 0 ? '' : ` (others than root can change ${ofOthers.join(' and ')})`;
}
