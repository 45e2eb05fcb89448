import type { CommandContext } from './context';

type Choice = 'detach' | 'cancel' | 'wait';

/** What a command waits for, and what is done where somebody who interrupts it wants it cancelled. */
export interface Awaited {
  /** What it is called. */
  readonly name: string;
  /** What is said when it is cancelled. */
  readonly cancelling: string;
  readonly cancel: () => Promise<void>;
}

/**
 * What Ctrl-C and SIGTERM mean to a command that submits a task and waits for it, from before it is submitted until the wait is over:
 * Ctrl-C asks whether to detach or to cancel (without a terminal it cancels), SIGTERM detaches. What was chosen before the task is
 * accepted holds as soon as it is.
 */
export class Interrupts {
  private readonly leave = new AbortController();
  private readonly over = new AbortController();
  private awaited: Awaited | null = null;
  /** The task is to be undone: it is waited for, also by who would not have waited. */
  isCancelled = false;
  /** A question is on the terminal: what else is said would stand in it. */
  isAsking = false;

  constructor(private readonly context: Pick<CommandContext, 'io' | 'printer' | 'prompts' | 'redact'>) {
    process.on('SIGINT', this.onInterrupt);
    process.on('SIGTERM', this.onTerminate);
  }

  /** Aborts when the task is left to itself. */
  get left(): AbortSignal {
    return this.leave.signal;
  }

  /** The task was accepted. */
  accepted(awaited: Awaited): void {
    this.awaited = awaited;
    if (this.isCancelled) void this.cancel(awaited);
  }

  /** Takes a question back that nobody answered; from now on signals end the process. */
  end(): void {
    this.over.abort();
    process.off('SIGINT', this.onInterrupt);
    process.off('SIGTERM', this.onTerminate);
  }

  private readonly onTerminate = (): void => this.leave.abort();

  private readonly onInterrupt = (): void => {
    if (this.isCancelled && this.awaited === null) return this.giveUp();
    if (this.isAsking || this.isCancelled) return;
    this.isAsking = true;
    void (this.context.io.isTerminal ? this.ask() : Promise.resolve<Choice>('cancel')).then((choice) => {
      this.isAsking = false;
      if (choice === 'detach') this.leave.abort();
      if (choice !== 'cancel') return;
      this.isCancelled = true;
      if (this.awaited) void this.cancel(this.awaited);
      else this.context.printer.note('cancelling the task as soon as it is accepted');
    });
  };

  private async cancel({ name, cancelling, cancel }: Awaited): Promise<void> {
    const { printer, redact } = this.context;
    try {
      printer.note(cancelling);
      await cancel();
    } catch (error) {
      // It goes on, and may be asked again.
      this.isCancelled = false;
      const why = error instanceof Error ? error.message : String(error);
      printer.warn(redact(`${name} could not be cancelled: ${why}`));
    }
  }

  /** The second Ctrl-C before anybody answered the request: whoever types it waits for no answer. */
  private giveUp(): void {
    this.context.printer.warn(
      'nobody waits for the answer any more: `kedge tasks` tells whether the task was accepted',
    );
    this.end();
    process.kill(process.pid, 'SIGINT');
  }

  private async ask(): Promise<Choice> {
    this.context.printer.idle();
    try {
      const { select } = await import('@inquirer/prompts');
      return await select<Choice>(
        {
          message: 'It goes on without you. What now?',
          choices: [
            { name: 'Detach: let it go on', value: 'detach' },
            { name: 'Cancel: undo what it did', value: 'cancel' },
            { name: 'Keep waiting', value: 'wait' },
          ],
        },
        { ...this.context.prompts, signal: this.over.signal },
      );
    } catch {
      return 'wait';
    }
  }
}

/** The same for what is accepted already, and left by `leave`. Returns what ends the listening. */
export function listenToSignals(
  context: CommandContext,
  { leave, ...awaited }: Awaited & { readonly leave: () => void },
): () => void {
  const interrupts = new Interrupts(context);
  interrupts.accepted(awaited);
  interrupts.left.addEventListener('abort', leave, { once: true });
  return () => interrupts.end();
}
