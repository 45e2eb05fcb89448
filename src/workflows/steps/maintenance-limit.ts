import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  patched,
  sleep,
} from '@temporalio/workflow';
import type { MaintenanceLimits } from '../../activities/preflight';
import type { TaskRef } from '../../activities/step';
import { asking } from '../options';
import { endedFromOutside } from './ended-from-outside';

/**
 * The limit on how long a task may keep its site shut, kept by the workflow: what holds a step (a pause in Temporal, a queue
 * that nobody serves, a worker that hangs) does not hold a timer. Its own clock may be set by anybody; so the master, whose
 * clock counts, is asked before the steps are ended.
 */
export class MaintenanceLimit {
  /** Null for a task without one. */
  limits: MaintenanceLimits | null = null;
  private readonly timer = new CancellationScope();
  private readonly steps = new CancellationScope();
  private isShut = false;
  private isReached = false;

  constructor(
    private readonly ref: TaskRef,
    private readonly site: string,
  ) {}

  /**
   * Runs the steps of a task. Past the limit they are cancelled; what may not be cancelled goes on.
   * @throws ApplicationFailure MaintenanceLimitReached when that ended them
   */
  async within<T>(steps: () => Promise<T>): Promise<T> {
    try {
      return await this.steps.run(steps);
    } catch (error) {
      throw this.isReached && !isOwnFailure(error) ? this.limitReached() : error;
    } finally {
      this.timer.cancel();
    }
  }

  /** Runs the step that shuts the site. */
  async shutBy(step: () => Promise<unknown>): Promise<void> {
    if (this.limits !== null && patched('maintenance-limit')) this.begin(this.limits);
    await step();
    this.isShut = true;
  }

  private begin(limits: MaintenanceLimits): void {
    this.timer
      .run(async () => {
        for (let left: number | null = limits.limitMs; left !== 0; left = await this.left(limits)) {
          if (left === null) return;
          await sleep(left, { summary: 'The longest that visitors may see the maintenance page' });
        }
        this.isReached = true;
        this.steps.cancel();
      })
      .catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
  }

  private async left({ limitMs, answerWithinMs }: MaintenanceLimits): Promise<number | null> {
    try {
      return await CancellationScope.withTimeout(answerWithinMs, () => asking.maintenanceTimeLeft(this.ref));
    } catch (error) {
      if (this.timer.consideredCancelled) throw error;
      // As long as the site is not known to be shut nobody is kept out.
      return this.isShut ? 0 : limitMs;
    }
  }

  private limitReached(): ApplicationFailure {
    return ApplicationFailure.create({
      type: 'MaintenanceLimitReached',
      message: `${this.site} was in maintenance for longer than it may be; what ran was ended`,
      details: [{ site: this.site }],
      nonRetryable: true,
    });
  }
}

/** What a step failed with by itself, in the same moment: neither the limit nor a pause that came together with it. */
function isOwnFailure(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && endedFromOutside(cause.type) === null;
}
