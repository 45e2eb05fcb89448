import { CancellationScope } from '@temporalio/workflow';
import type { Reported, TaskRef } from '../activities/step';
import { UNDOS, type UndoName } from '../contract/steps';
import { endless } from './options';
import { withAttention } from './steps/attention';

/** Where it is seen which undo runs. */
interface Shown {
  undoing(name: UndoName): void;
  undone(name: UndoName): void;
}

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

  takesBack(name: UndoName): boolean {
    return this.names.includes(name);
  }

  /** For a task known by its journal alone. */
  registerAll(): void {
    this.names.splice(0, this.names.length, ...UNDOS);
  }

  /** What was done is to stay: all of it, after the commit point, or what this one would take back. */
  forget(only?: UndoName): void {
    const kept = only === undefined ? [] : this.names.filter((name) => name !== only);
    this.names.splice(0, this.names.length, ...kept);
  }

  async run(ref: TaskRef, shown: Shown): Promise<void> {
    if (this.names.length === 0) return;
    await CancellationScope.nonCancellable(() =>
      withAttention(this.attentionAfterMs, async (nameStep) => {
        for (let name = this.names.pop(); name !== undefined; name = this.names.pop()) {
          shown.undoing(name);
          nameStep(name);
          const step: (ref: TaskRef) => Promise<Reported<null>> = endless[name];
          await step(ref);
          shown.undone(name);
        }
      }),
    );
  }
}
