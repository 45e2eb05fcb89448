import type { AdminCommand, AdminShell } from '../ssh/admin-shell';

/** What has to be so at a server. */
export interface Step {
  /** What it is about, in a few words: `the program kedge-host`. */
  readonly what: string;
  /** Another one without which looking at this would only repeat what that says. */
  readonly needs?: string;
  /**
   * Looks whether it is so, and changes nothing.
   * @throws KedgeError where it can neither be so nor be made so
   */
  readonly look: () => Promise<Look>;
}

export interface Look {
  /** What makes it so, in turn; empty where it is. */
  readonly commands: readonly AdminCommand[];
  /** What a person does instead, where it is not made so: in a sentence. Then nothing is done here. */
  readonly left?: string;
}

export const IS_SO: Look = { commands: [] };

/** A step that was not so. */
export interface StepDone {
  readonly what: string;
  /** What made it so, or would: lines of a shell on the master. */
  readonly commands: readonly string[];
}

/**
 * Looks at each step in turn, and makes it so where it is not; with `print` only tells what would. `left` is what a person has to do.
 * @throws what steps and commands throw, the signal's reason; what was done by then stays
 */
export async function carryOut(
  shell: AdminShell,
  steps: readonly Step[],
  {
    print,
    signal,
    tell,
  }: { readonly print: boolean; readonly signal: AbortSignal; readonly tell: (what: string) => void },
): Promise<{ readonly done: readonly StepDone[]; readonly left: readonly string[] }> {
  const done: StepDone[] = [];
  const left: string[] = [];
  const open = new Set<string>();
  for (const { what, needs, look } of steps) {
    signal.throwIfAborted();
    if (needs !== undefined && open.has(needs)) continue;
    const looked = await look();
    if (looked.left !== undefined) left.push(looked.left);
    const isToDo = !print && looked.left === undefined;
    if (looked.left !== undefined || (print && looked.commands.length > 0)) open.add(what);
    if (looked.commands.length === 0 || (looked.left !== undefined && !print)) continue;
    tell(what);
    const commands: string[] = [];
    for (const command of looked.commands) {
      commands.push(await shell.lineOf(command));
      if (isToDo) await shell.run(command);
    }
    done.push({ what, commands });
  }
  return { done, left };
}

/** Writes standard input to a file there, whole or not at all; its folder is made. Arguments: file, mode. */
export function writing(file: string, mode: string, input: NonNullable<AdminCommand['input']>): AdminCommand {
  return { argv: ['sh', '-c', WRITE, 'write', file, mode], input };
}

const WRITE = [
  'set -e',
  'umask 022',
  'folder=$(dirname -- "$1")',
  'mkdir -p -- "$folder"',
  'cat > "$1.new"',
  'chmod "$2" "$1.new"',
  'sync "$1.new"',
  'mv -f -- "$1.new" "$1"',
  'sync "$folder"',
].join('; ');
