import type { CommandContext } from './context';

/** What a command waits for, and what somebody who interrupts it may want. */
export interface Awaited {
  /** What it is called. */
  readonly name: string;
  /** What is said when it is cancelled. */
  readonly cancelling: string;
  readonly cancel: () => Promise<void>;
  /** Ends the waiting. */
  readonly leave: () => void;
}

/**
 * Ctrl-C asks whether to leave what is waited for to itself or to cancel it (without a terminal it cancels), SIGTERM leaves it. Returns what
 * ends the listening.
 */
export function listenToSignals(context: CommandContext, { name, cancelling, cancel, leave }: Awaited): () => void {
  const { printer } = context;
  let asking = false;
  const onInterrupt = (): void => {
    if (asking) return;
    asking = true;
    void (async () => {
      const choice = context.io.isTerminal ? await askAboutInterrupt(context) : 'cancel';
      asking = choice === 'cancel';
      if (choice === 'detach') leave();
      if (choice !== 'cancel') return;
      printer.note(cancelling);
      await cancel();
    })().catch((error: unknown) => {
      // It goes on, and may be asked again.
      asking = false;
      const why = error instanceof Error ? error.message : String(error);
      printer.warn(context.redact(`${name} could not be cancelled: ${why}`));
    });
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', leave);
  return () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', leave);
  };
}

async function askAboutInterrupt(context: CommandContext): Promise<'detach' | 'cancel' | 'wait'> {
  context.printer.idle();
  const { select } = await import('@inquirer/prompts');
  return select({
    message: 'It goes on without you. What now?',
    choices: [
      { name: 'Detach: let it go on', value: 'detach' as const },
      { name: 'Cancel: undo what it did', value: 'cancel' as const },
      { name: 'Keep waiting', value: 'wait' as const },
    ],
  }).catch(() => 'wait' as const);
}
