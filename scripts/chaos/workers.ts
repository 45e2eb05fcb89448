import { setTimeout as delay } from 'node:timers/promises';
import { type WorkerProcess, startWorkerProcess } from '../demo/kedge';

const PAUSE_BEFORE_RESTART_MS = 500;

/** Two workers of one master, started again whenever they end, as a service is. */
export class Workers {
  private readonly slots: readonly [Slot, Slot];

  constructor(environment: Record<string, string>) {
    this.slots = [new Slot(environment), new Slot(environment)];
  }

  /** How often one ended although nobody had ended it. */
  get endedByThemselves(): number {
    return this.slots[0].endedByItself + this.slots[1].endedByItself;
  }

  /** `kill -9`; it is started again after so many ms. */
  async kill(worker: 0 | 1, forMs: number): Promise<void> {
    await this.slots[worker].kill(forMs);
  }

  /** SIGSTOP, and SIGCONT after so many ms. */
  async pause(worker: 0 | 1, forMs: number): Promise<void> {
    await this.slots[worker].pause(forMs);
  }

  /** Waits until both take tasks. */
  async ready(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.stop()));
  }
}

class Slot {
  endedByItself = 0;
  private worker: WorkerProcess | null = null;
  /** How long it stays away when it ends next, ms; null when nobody has ended it. */
  private away: number | null = null;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(private readonly environment: Record<string, string>) {
    this.running = this.run();
  }

  async kill(forMs: number): Promise<void> {
    await this.ready();
    this.away = forMs;
    await this.worker?.kill();
  }

  async pause(forMs: number): Promise<void> {
    await this.ready();
    const process = this.worker?.process;
    process?.kill('SIGSTOP');
    try {
      await delay(forMs, undefined, { signal: this.stopping.signal });
    } finally {
      process?.kill('SIGCONT');
    }
  }

  async ready(): Promise<void> {
    while (!this.worker) await delay(20, undefined, { signal: this.stopping.signal });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    // Nothing of its lab is needed any more.
    await this.worker?.kill();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const worker = await startWorkerProcess(this.environment);
        const ended = new Promise<void>((resolve) => worker.process.once('exit', () => resolve()));
        if (signal.aborted) await worker.kill();
        this.worker = worker;
        await ended;
      } catch {
        // Temporal is away, say: it could not begin.
      }
      this.worker = null;
      if (signal.aborted) return;
      if (this.away === null) this.endedByItself += 1;
      const pause = this.away ?? PAUSE_BEFORE_RESTART_MS;
      this.away = null;
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}
