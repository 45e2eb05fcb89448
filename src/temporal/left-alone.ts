import type { KedgeError } from '../contract/errors';

/** What of the journals is looked at. */
export interface LeftAloneTasks {
  open(): Promise<readonly { readonly task: string; readonly workflowId: string; readonly runId: string }[]>;
  /** Open ones whose journals cannot be read, and why. */
  unreadable(): Promise<ReadonlyMap<string, KedgeError>>;
}

/**
 * Names open tasks that this worker can do nothing about, each once for each reason: their journals cannot be read, or their
 * workflows cannot be replayed by its code. Both are so after a rollback. The other sites are served.
 */
export class LeftAlone {
  private readonly told = new Set<string>();

  constructor(
    private readonly tasks: LeftAloneTasks,
    /** Whether the code of a run fails again and again. */
    private readonly isStuck: (workflowId: string, runId: string) => Promise<boolean>,
    private readonly tell: (text: string) => void,
  ) {}

  async look(): Promise<void> {
    for (const [task, { message }] of await this.tasks.unreadable())
      this.tellOnce(`${task} is open and left alone: ${message}`);
    for (const { task, workflowId, runId } of await this.tasks.open())
      if (await this.isStuck(workflowId, runId))
        this.tellOnce(
          `${task} is open and does not go on: this worker cannot carry on the workflow ${workflowId}; was it begun by another version?`,
        );
  }

  private tellOnce(text: string): void {
    if (this.told.has(text)) return;
    this.told.add(text);
    this.tell(text);
  }
}
