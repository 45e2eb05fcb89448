import { KedgeError } from '../contract/errors';
import { printable } from '../contract/printable';
import type { CommandContext } from './context';
import { usage } from './usage';

/** What is asked before something that nobody takes back. */
export interface Question {
  /** To be read before the answer, a line each. */
  readonly shown?: readonly string[];
  readonly message: string;
  /** What it comes to, for somebody who cannot be asked; and what there is to say then. */
  readonly otherwise: string;
  readonly hint?: string;
  /** How a no is told, and what state things are in then. */
  readonly refused: string;
  readonly state?: string;
}

/**
 * Asks, unless the answer was given with the command; returns after a yes.
 * @throws KedgeError UsageInvalid where there is no terminal to ask on, Cancelled after a no
 */
export async function confirm(context: CommandContext, question: Question, yes: boolean): Promise<void> {
  if (yes) return;
  const { shown = [], message, otherwise, hint = 'Say --yes.', refused, state } = question;
  if (!context.io.isTerminal) throw usage(otherwise, hint);
  context.printer.idle();
  for (const line of shown) context.printer.note(line);
  const { confirm: ask } = await import('@inquirer/prompts');
  const isYes = await ask({ message: printable(message), default: false }, context.prompts).catch((error: unknown) => {
    // Ctrl-C is a no.
    if (error instanceof Error && error.name === 'ExitPromptError') return false;
    throw error;
  });
  if (isYes) return;
  throw new KedgeError('Cancelled', refused, state === undefined ? {} : { state });
}

/** As {@link confirm}, before backups are deleted: so many, of which `shown` tells. */
export function confirmDeletion(
  context: CommandContext,
  { count, shown, hint }: { readonly count: number; readonly shown: readonly string[]; readonly hint?: string },
  yes: boolean,
): Promise<void> {
  return confirm(
    context,
    {
      ...{ shown, message: `Delete ${count} for good?`, refused: 'nothing was deleted' },
      otherwise: 'deleted backups do not come back',
      ...(hint === undefined ? {} : { hint }),
    },
    yes,
  );
}
