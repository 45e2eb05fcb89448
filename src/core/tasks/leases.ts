import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type TaskType, taskTime } from '../../contract/names';
import { withFileLock } from '../hosts/file-lock';
import type { MasterHost } from '../hosts/master-host';
import type { Journal } from './journal';
import type { Journals } from './journals';

/** Heavy tasks that are limited together. What brings a site back never waits for what saves others. */
export type LeaseKind = 'backups' | 'restores';
/** How many tasks of each kind do their heavy steps at one time. */
export type LeaseLimits = Readonly<Record<LeaseKind, number>>;

export interface LeaseParts {
  readonly master: MasterHost;
  readonly journals: Journals;
  /** Asked each time: what an administrator changes holds at once. */
  limits(): Promise<LeaseLimits>;
}

/** True while the workflow run of a task is open. */
export type Runs = (journal: Pick<Journal, 'workflowId' | 'runId'>) => Promise<boolean>;

/** The kind of lease that a type of task needs; null for one that is light. */
export function leaseKindOf(type: TaskType): LeaseKind | null {
  if (type === 'verify') return null;
  return type === 'backup' ? 'backups' : 'restores';
}

/**
 * The leases of heavy tasks, `<state>/leases/<kind>/<task>`, given in turn among all workers of the master. A task has its lease over
 * all the steps that read or write a whole site, and from before its site enters maintenance: no visitor waits for another
 * site. Nothing has to be given back: a lease counts as long as the journal of its task is open and goes forward.
 */
export class Leases {
  constructor(
    private readonly folder: string,
    private readonly parts: LeaseParts,
  ) {}

  /**
   * Asks for the lease of a task whose journal is open. Null when the task has it; else how many come before it, in the order of
   * their submission, and the caller asks again: whoever has not asked for 45 s keeps nobody waiting.
   */
  async ask(task: string, kind: LeaseKind, runs: Runs): Promise<number | null> {
    const { master } = this.parts;
    const folder = join(this.folder, kind);
    const limit = (await this.parts.limits())[kind];
    // Before the lock: Temporal may take its time.
    const idle = await this.idle(await this.look(folder), { task, limit, runs });
    return withFileLock(join(folder, LOCK), master, async () => {
      const { held, waiting } = await this.look(folder);
      if (held.includes(task)) return null;
      const free = Math.max(0, limit - held.filter((holder) => !idle.has(holder)).length);
      const place = placeOf(task, waiting);
      if (place >= free) {
        await this.wait(folder, task);
        return place - free + 1;
      }
      await master.writeFile(join(folder, task), '', { mode: 0o600 });
      await master.removeFile(join(folder, task + WAITING));
      return null;
    });
  }

  /** How many tasks have a lease of a kind, and how many wait for one. */
  async count(kind: LeaseKind): Promise<{ readonly held: number; readonly waiting: number }> {
    const { held, waiting } = await this.look(join(this.folder, kind));
    return { held: held.length, waiting: waiting.length };
  }

  /** Who has a lease and who waits for one, of those whose journal is open; what closed tasks left is removed. */
  private async look(folder: string): Promise<Queue> {
    const { master, journals } = this.parts;
    const queue: Queue = { held: [], waiting: [] };
    for (const name of await master.list(folder)) {
      if (name.startsWith('.')) continue;
      const path = join(folder, name);
      const waits = name.endsWith(WAITING);
      const task = waits ? name.slice(0, -WAITING.length) : name;
      if (!(await journals.isOpen(task))) await master.removeFile(path);
      else if (!waits) queue.held.push(task);
      else if (asksStill((await master.status(path))?.modifiedMs)) queue.waiting.push(task);
    }
    return queue;
  }

  /**
   * Holders that do nothing heavy any more: their task is being undone, has only to be finished, or has lost its workflow.
   * Looked for by whoever is next alone, and only when nothing is free.
   */
  private async idle({ held, waiting }: Queue, { task, limit, runs }: Asked): Promise<Set<string>> {
    const idle = new Set<string>();
    if (held.length < limit || held.includes(task) || placeOf(task, waiting) >= limit) return idle;
    for (const holder of held) {
      const journal = await this.parts.journals.find(holder).catch(() => undefined);
      if (!journal || !goesForward(journal) || !(await runs(journal))) idle.add(holder);
    }
    return idle;
  }

  /** Notes that a task asks. A crash may lose that: it asks again. */
  private async wait(folder: string, task: string): Promise<void> {
    const path = join(folder, task + WAITING);
    const now = new Date();
    await utimes(path, now, now).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await this.parts.master.writeFile(path, '', { mode: 0o600 });
    });
  }
}

interface Queue {
  readonly held: string[];
  readonly waiting: string[];
}

interface Asked {
  readonly task: string;
  readonly limit: number;
  readonly runs: Runs;
}

/** A time to come is one from before the clock was set back: who still waits soon asks again. */
function asksStill(askedMs: number | undefined): boolean {
  const agoMs = askedMs === undefined ? Infinity : Date.now() - askedMs;
  return agoMs < ASKS_NO_MORE_MS && agoMs > -ASKS_NO_MORE_MS;
}

/** Behind the id of a task, which ends with its type or a number. */
const WAITING = '.waiting';
const LOCK = '.turns.lock';
/** Longer than anybody waits between two times it asks. */
const ASKS_NO_MORE_MS = 45_000;

function goesForward({ outcome, undoing, committed }: Journal): boolean {
  return outcome === null && !undoing && !committed;
}

/** How many of those who wait come before a task. */
function placeOf(task: string, waiting: readonly string[]): number {
  return waiting.filter((other) => other !== task && orderOf(other) < orderOf(task)).length;
}

/** Ids carry the time of their submission. */
function orderOf(task: string): string {
  return `${taskTime(task) ?? ''} ${task}`;
}
