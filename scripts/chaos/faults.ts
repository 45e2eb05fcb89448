import { setTimeout as delay } from 'node:timers/promises';
import { kedge } from '../demo/kedge';
import type { Lab } from '../lab/lab';
import type { JournalView } from '../lab/leftovers';
import type { SmallDisk } from '../lab/small-disk';
import type { FaultKind, Moment, PlannedFault } from './plan';
import type { Outage } from './visitor';
import type { Workers } from './workers';

/** How often a journal is looked at for the moment of a fault. */
const LOOK_EVERY_MS = 10;
/** What a full disk has left: bytes. */
const LEFT_BYTES = 150_000;

export interface FaultParts {
  readonly lab: Lab;
  readonly workers: Workers;
  /** The disk of the backups; null where none can be mounted. */
  readonly disk: SmallDisk | null;
  /** Journal of the task that a site was given in this round, once there is one. */
  readonly journalOf: (site: number) => JournalView | undefined;
  /** True when the command that asked for the task has ended. */
  readonly isOver: (site: number) => boolean;
  readonly uriOf: (site: number) => string;
  readonly signal: AbortSignal;
}

/** Brings faults about, and knows from when until when visitors had no server because of them. */
export class Faults {
  readonly outages: Outage[] = [];
  private readonly last = new Map<string, Promise<void>>();

  constructor(private readonly parts: FaultParts) {}

  /** Waits for the moment, and ends when the fault is over. False when the moment never came. */
  async bring(fault: PlannedFault): Promise<boolean> {
    if (!(await this.momentCame(fault))) return false;
    await delay(fault.afterMs, undefined, { signal: this.parts.signal });
    // Each server is killed by one fault at a time.
    const previous = this.last.get(fault.kind) ?? Promise.resolve();
    const acting = previous.then(() => this.act(fault));
    this.last.set(
      fault.kind,
      acting.catch(() => undefined),
    );
    await acting;
    return true;
  }

  private async momentCame({ site, moment }: PlannedFault): Promise<boolean> {
    for (;;) {
      this.parts.signal.throwIfAborted();
      // In this order: a journal that comes late is of a task that was not over.
      const isOver = this.parts.isOver(site);
      const journal = this.parts.journalOf(site);
      if (journal && hasCome(journal, moment)) return true;
      if (isOver && (!journal || journal.outcome !== null)) return false;
      await delay(LOOK_EVERY_MS);
    }
  }

  private async act({ kind, site, forMs, worker }: PlannedFault): Promise<void> {
    const { lab, workers, disk, uriOf } = this.parts;
    switch (kind) {
      case 'kill worker':
        return workers.kill(worker, forMs);
      case 'kill both workers':
        await Promise.all([workers.kill(0, forMs), workers.kill(1, forMs)]);
        return;
      case 'pause worker':
        return workers.pause(worker, forMs);
      case 'kill Temporal':
        await lab.temporal.kill();
        await this.wait(forMs);
        return lab.temporal.start();
      case 'kill MariaDB':
        return this.outage(
          () => lab.mariadb.discard(),
          forMs,
          () => lab.mariadb.start(),
        );
      case 'kill PHP-FPM':
        return this.outage(
          () => lab.phpFpm.kill(),
          forMs,
          () => lab.phpFpm.start(),
        );
      case 'kill nginx':
        return this.outage(
          () => lab.nginx.kill(),
          forMs,
          () => lab.nginx.start(),
        );
      case 'fill disk':
        disk?.leaveBytes(LEFT_BYTES);
        try {
          await this.wait(forMs);
        } finally {
          disk?.mend();
        }
        return;
      case 'cancel':
        return this.command(['cancel', uriOf(site)]);
      case 'sites online':
        return this.command(['sites', 'online', uriOf(site), '--message', 'chaos']);
    }
  }

  private async outage(kill: () => Promise<void>, forMs: number, start: () => Promise<void>): Promise<void> {
    const outage: Outage = { from: performance.now(), until: null };
    this.outages.push(outage);
    await kill();
    await this.wait(forMs);
    await start();
    outage.until = performance.now();
  }

  private async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.parts.signal });
  }

  /** It may come too late, or find a server away: what it says is no matter, what it does is looked at with all else. */
  private async command(args: readonly string[]): Promise<void> {
    await kedge(args, this.parts.lab.environment, undefined, this.parts.signal);
  }
}

function hasCome({ steps, undoing, committed }: JournalView, moment: Moment): boolean {
  if (moment === 'undo') return undoing;
  if (moment === 'commit') return committed;
  return steps?.[moment] !== undefined;
}

/** How often each kind came to be. */
export type FaultCounts = Partial<Record<FaultKind, number>>;
