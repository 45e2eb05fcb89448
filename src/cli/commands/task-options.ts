import type { Command } from 'commander';
import type { SubmitOptions } from '../../client';

export interface TaskOptions {
  waitTurn?: boolean;
  detach?: boolean;
  requestKey?: string;
}

/** How the client is to ask for the task. */
export function submitOptions({ waitTurn = false, detach = false }: TaskOptions): SubmitOptions {
  return { waitTurn, keepWithoutWorker: detach };
}

/** Options of every command that submits a task. */
export function withTaskOptions(command: Command): Command {
  return command
    .option('--wait-turn', 'wait for the site to be free, instead of ending with exit code 11')
    .option('--detach', 'submit, print the task, and return; without a worker it waits for one')
    .option('--request-key <key>', 'makes a repeated call the same task')
    .addHelpText(
      'after',
      '\nFrom the moment it is submitted, the first Ctrl-C asks whether the task is to go on or to be undone; without a terminal\n' +
        'it is undone. SIGTERM, and the end of the terminal, leave it to go on.',
    );
}

/** Of the commands that import a backup. */
export const REPLACE_TEXT = [
  '--replace-text',
  "let question marks take the place of bytes that are no letters of their column's character set, which no server takes",
] as const;
