import { ERROR_CODES, isErrorCode } from '../../contract/error-codes';
import { WORKFLOW_TYPES, type TaskType } from '../../contract/names';
import type { FolderWatch } from '../hosts/watch-folder';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { Family } from './exposition';
import { Totals } from './totals';

type Status = NonNullable<Journal['outcome']>['status'];

/** Code of a task that ended without an error. */
const NO_CODE = 'none';
/** A code that is none of the table: a journal of a newer Kedge, or a workflow that somebody made up. */
const OTHER_CODE = 'other';

/** By which codes tasks end, so that each is there before it counts: what comes out of nothing is no increase to Prometheus. */
const CODES: Readonly<Record<Status, readonly string[]>> = {
  done: [NO_CODE],
  failed: [...Object.keys(ERROR_CODES), OTHER_CODE],
  cancelled: ['Cancelled'],
  recovered: ['TaskTerminated'],
  abandoned: [NO_CODE],
};

/** Seconds: a page that blinks, up to a site that was shut for a day. */
const SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 86_400];

/**
 * Counts the tasks of a master that end from now on, whoever ends them: this worker, another one, a command. Their journals tell; the
 * markers of open ones tell which to read, so that the thousands of old ones are left alone.
 */
export class EndedTasks {
  private readonly totals = new Totals();
  /** Seen open, or come and gone, and not counted yet. */
  private readonly seen = new Set<string>();
  /** The last ones, for the news of their end may come late. */
  private readonly counted = new Set<string>();
  private watching: FolderWatch | null = null;

  constructor(private readonly journals: Pick<Journals, 'find' | 'openTasks' | 'watchOpen'>) {
    for (const type of WORKFLOW_TYPES) {
      for (const status of Object.keys(CODES) as Status[])
        for (const code of CODES[status]) this.count(type, status, code, 0);
      if (type !== 'verify') this.countBytes(type, 0);
    }
  }

  /** From here on. */
  async begin(): Promise<void> {
    this.watching = await this.journals.watchOpen((task) => this.seen.add(task));
    for (const task of await this.journals.openTasks()) this.seen.add(task);
  }

  end(): void {
    this.watching?.close();
  }

  /** What is counted by now. */
  async families(): Promise<Family[]> {
    const open = new Set(await this.journals.openTasks());
    for (const task of open) this.seen.add(task);
    for (const task of [...this.seen].filter((one) => !open.has(one))) {
      this.seen.delete(task);
      if (this.counted.has(task)) continue;
      const journal = await this.journals.find(task).catch(() => undefined);
      if (!journal?.outcome) continue;
      this.remember(task);
      this.take(journal, journal.outcome);
    }
    return this.totals.families();
  }

  private take(journal: Journal, { status, code, ended }: NonNullable<Journal['outcome']>): void {
    const { type, started, maintenance, backup } = journal;
    this.count(type, status, code === null ? NO_CODE : isErrorCode(code) ? code : OTHER_CODE, 1);
    this.observe('kedge_task_duration_seconds', 'How long tasks took from their begin to their end.', type, {
      from: started,
      to: ended,
    });
    if (maintenance && !maintenance.foundOn && maintenance.seen !== null && maintenance.ended !== null)
      this.observe('kedge_maintenance_seconds', 'How long tasks had visitors see the maintenance page.', type, {
        from: maintenance.seen,
        to: maintenance.ended,
      });
    if (backup?.published && backup.packed) this.countBytes(type, backup.packed.bytes);
  }

  private count(type: TaskType, outcome: Status, code: string, value: number): void {
    const help = 'Tasks that ended, by type, outcome and the code of their error.';
    this.totals.take({ name: 'kedge_tasks_total', help, type: 'counter', labels: { type, outcome, code }, value });
  }

  private countBytes(type: TaskType, value: number): void {
    const help = 'Bytes of the archives that came into the catalogue, by the type of the task that made them.';
    this.totals.take({ name: 'kedge_backup_written_bytes_total', help, type: 'counter', labels: { type }, value });
  }

  private observe(name: string, help: string, type: TaskType, { from, to }: { from: string; to: string }): void {
    // A clock that was set back meanwhile makes nothing shorter than nothing.
    const value = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
    this.totals.take({ name, help, type: 'histogram', labels: { type }, value, bounds: SECONDS });
  }

  private remember(task: string): void {
    this.counted.add(task);
    const [oldest] = this.counted;
    if (this.counted.size > REMEMBERED && oldest !== undefined) this.counted.delete(oldest);
  }
}

const REMEMBERED = 10_000;
