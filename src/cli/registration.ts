import type { Command } from 'commander';
import type { CommandContext } from './context';

/** Turns the body of a command into commander's action: opens its context, prints its failure, sets its exit code. */
export type Registration = <Options>(
  body: (context: CommandContext, args: string[], options: Options) => Promise<void>,
) => (...all: unknown[]) => Promise<void>;

/** A file of src/cli/commands registers its commands by one of these; main.ts lists them. */
export type Register = (program: Command, run: Registration) => void;
