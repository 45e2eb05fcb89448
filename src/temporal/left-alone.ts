import type { KedgeError } from '../contract/errors';
import { pausedText, unpauseCommand } from '../contract/step-pause';
import type { PausedStep } from './pauses';

/** What of the journals is looked at. */
export interface LeftAloneTasks {
  open(): Promise<readonly { readonly task: string; readonly workflowId: string; readonly runId: string }[]>;
  /** Open ones whose journals cannot be read, and why. */
  unreadable(): Promise<ReadonlyMap<string, KedgeError>>;
}

/** What Temporal says of their runs. */
export interface LeftAloneRuns {
  /** Whether the code of a run fails again and again. */
  isStuck(workflowId: string, runId: string): Promise<boolean>;
  pausedSteps(workflowId: string, runId: string): Promise<readonly PausedStep[]>;
}

/** Who is told. */
export interface LeftAloneTold {
  /** Whoever looks after the worker. */
  tell(text: string): void;
  /** Whoever reads the log of a task. */
  log(task: string, step: string, text: string): void;
}

/**
 * Names open tasks that this worker can do nothing about, each once for each reason: their journals cannot be read, or their
 * workflows cannot be replayed by its code, as after a rollback; or somebody paused a step of them in Temporal. The other
 * sites are served.
 */
export class LeftAlone {
  private readonly told = new Set<string>();

  constructor(
    private readonly tasks: LeftAloneTasks,
    private readonly runs: LeftAloneRuns,
    private readonly to: LeftAloneTold,
  ) {}

  async look(): Promise<void> {
    for (const [task, { message }] of await this.tasks.unreadable())
      this.tellOnce(`${task} is open and left alone: ${message}`);
    for (const { task, workflowId, runId } of await this.tasks.open()) {
      if (await this.runs.isStuck(workflowId, runId))
        this.tellOnce(
          `${task} is open and does not go on: this worker cannot carry on the workflow ${workflowId}; was it begun by another version?`,
        );
      for (const { step, pause, isUnheard } of await this.runs.pausedSteps(workflowId, runId)) {
        const text = pausedText(pause);
        const isNews = this.tellOnce(
          `${task} is open and does not go on: ${step} is ${text}; \`${unpauseCommand(workflowId, step)}\` lets it go on`,
        );
        if (isNews && isUnheard) this.to.log(task, step, `${text}; the step goes on when it is unpaused`);
      }
    }
  }

  /** True when it was not told before. */
  private tellOnce(text: string): boolean {
    if (this.told.has(text)) return false;
    this.told.add(text);
    this.to.tell(text);
    return true;
  }
}
