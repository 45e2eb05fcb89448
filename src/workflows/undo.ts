import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { Reported, TaskRef } from '../activities/step';
import { endless } from './options';
import { setAttention } from './steps/visibility';

/** Every undo there is, in the order a whole restore registers them. */
export const UNDOS = [
  'leaveMaintenance',
  'liftFence',
  'discardUnpublished',
  'discardStaged',
  'discardDatabase',
  'switchBack',
  'putVhostBack',
] as const;
export type UndoName = (typeof UNDOS)[number];

/**
 * The undos of a task. Each is registered before its step starts, for a step that failed may have acted. They run
 * newest first, each until it succeeds, whatever is cancelled meanwhile; one whose step never ran does nothing.
 */
export class Undo {
  private readonly names: UndoName[] = [];
  /** How long undo may fail before it asks for attention, ms. */
  attentionAfterMs = 60_000;

  register(name: UndoName): void {
    if (!this.names.includes(name)) this.names.push(name);
  }

  /** For a task known by its journal alone. */
  registerAll(): void {
    this.names.splice(0, this.names.length, ...UNDOS);
  }

  /** After the commit point there is no way back. */
  forget(): void {
    this.names.length = 0;
  }

  async run(ref: TaskRef, began: (name: UndoName) => void): Promise<void> {
    await CancellationScope.nonCancellable(() =>
      withAttention(this.attentionAfterMs, async (nameStep) => {
        for (let name = this.names.pop(); name !== undefined; name = this.names.pop()) {
          began(name);
          nameStep(name);
          const step: (ref: TaskRef) => Promise<Reported<null>> = endless[name];
          await step(ref);
        }
      }),
    );
  }
}

/** Runs work that must end; when it does not in time, the search attribute KedgeAttention names the step it hangs in. */
async function withAttention(
  afterMs: number,
  work: (nameStep: (name: string) => void) => Promise<void>,
): Promise<void> {
  let step = '';
  let raised = false;
  const timer = new CancellationScope();
  const waiting = timer
    .run(async () => {
      await sleep(afterMs);
      raised = true;
      setAttention(step);
    })
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  try {
    await work((name) => {
      step = name;
      if (raised) setAttention(step);
    });
  } finally {
    timer.cancel();
    await waiting;
    if (raised) setAttention(null);
  }
}
