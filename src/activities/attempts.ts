import { KedgeError } from '../contract/errors';

const PATIENCE_MS = 20_000;

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

  /** `patienceMs`: how long a successor waits for an attempt that was told to end. */
  constructor(private readonly patienceMs = PATIENCE_MS) {}

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

  /** True while an attempt of the task runs here. */
  has(task: string): boolean {
    return this.byTask.has(task);
  }

  /**
   * Ends the attempts of a task that still run, all or those of one step, and waits until they have ended. Returns the steps
   * of those that are deaf to it: what hangs in the kernel or in a library must not keep undo from the site. They can write
   * to the journal no more, and act under the lock of the site no more.
   */
  async revoke(
    task: string,
    step?: string,
    reason = new KedgeError('TaskSuperseded', `a later attempt of task ${task} took over`),
  ): Promise<string[]> {
    const attempts = [...(this.byTask.get(task) ?? [])].filter(
      (attempt) => step === undefined || attempt.step === step,
    );
    for (const { stop } of attempts) stop.abort(reason);
    const left = new Set(attempts);
    const all = Promise.all(attempts.map((attempt) => attempt.ended.then(() => left.delete(attempt))));
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.patienceMs)));
    await Promise.race([all, patience]);
    clearTimeout(timer);
    return [...left].map((attempt) => attempt.step);
  }
}
