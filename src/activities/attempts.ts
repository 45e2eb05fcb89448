import { KedgeError } from '../contract/errors';

interface Attempt {
  readonly step: string;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * The attempts of steps that run in this worker. Temporal gives an attempt up (its heartbeat was late, its workflow was
 * terminated or reset) before the attempt itself hears of it: the successor ends it here and waits until it has.
 */
export class Attempts {
  private readonly byTask = new Map<string, Set<Attempt>>();

  /** Runs an attempt; `body` is given a signal that its cancellation and its successor abort. */
  async run<T>(task: string, step: string, signal: AbortSignal, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const work = body(AbortSignal.any([signal, stop.signal]));
    const attempt: Attempt = {
      step,
      stop,
      ended: work.then(
        () => undefined,
        () => undefined,
      ),
    };
    const attempts = this.byTask.get(task) ?? new Set();
    this.byTask.set(task, attempts.add(attempt));
    try {
      return await work;
    } finally {
      attempts.delete(attempt);
      // What was opened for it ends with it.
      stop.abort(new KedgeError('TaskSuperseded', `the attempt of ${step} for task ${task} has ended`));
      if (attempts.size === 0 && this.byTask.get(task) === attempts) this.byTask.delete(task);
    }
  }

  /** Ends the attempts of a task that still run, all or those of one step, and waits until they have ended. */
  async revoke(task: string, step?: string): Promise<void> {
    const attempts = [...(this.byTask.get(task) ?? [])].filter(
      (attempt) => step === undefined || attempt.step === step,
    );
    for (const { stop } of attempts)
      stop.abort(new KedgeError('TaskSuperseded', `a later attempt of task ${task} took over`));
    await Promise.all(attempts.map(({ ended }) => ended));
  }
}
