import {
  ApplicationFailure,
  CancelledFailure,
  type ChildWorkflowFailure,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { BackupAllResult } from '../../contract/fleet';
import { markdownText } from '../../contract/printable';
import { TOLD, shortened } from '../../contract/payload-bounds';

/** What one run of the backups of many sites hands to the next. */
export interface FleetState {
  /** Of the first run, in all of them. */
  requestKey: string;
  began: string;
  /** The last site of the runs before; null before the first. */
  after: string | null;
  counts: Counts;
  failures: BackupAllResult['failures'];
}

type Counts = Pick<BackupAllResult, 'sites' | 'done' | 'warned' | 'failed' | 'pruned'>;

/** Bytes of the message of one failure: twenty are told. */
const MESSAGE_BYTES = 1000;

/** What the backups of many sites have come to, as the run page shows it and the result says it. */
export class Fleet {
  readonly state: FleetState;
  private readonly running = new Set<string>();

  constructor(before: FleetState | null) {
    const { firstExecutionRunId, startTime } = workflowInfo();
    this.state = before ?? {
      requestKey: `backupAll/${firstExecutionRunId}`,
      began: startTime.toISOString(),
      after: null,
      counts: { sites: 0, done: 0, warned: 0, failed: 0, pruned: 0 },
      failures: [],
    };
  }

  /** Request key of the task of each site: one for each, however often this is begun anew. */
  get requestKey(): string {
    return this.state.requestKey;
  }

  get after(): string | null {
    return this.state.after;
  }

  /** The sites of this run. */
  planned(sites: readonly string[]): void {
    this.state.counts.sites += sites.length;
    this.state.after = sites.at(-1) ?? this.state.after;
    this.show();
  }

  began(site: string): void {
    this.running.add(site);
    this.show();
  }

  done(site: string, warned: boolean): void {
    this.running.delete(site);
    this.state.counts.done += 1;
    if (warned) this.state.counts.warned += 1;
    this.show();
  }

  failed(site: string, { cause, message }: ChildWorkflowFailure): void {
    this.running.delete(site);
    this.state.counts.failed += 1;
    const code = cause instanceof ApplicationFailure ? (cause.type ?? 'Internal') : codeOf(cause);
    if (this.state.failures.length < TOLD)
      this.state.failures.push({ site, code, message: shortened(cause?.message ?? message, MESSAGE_BYTES) });
    this.show();
  }

  /** Old backups that were deleted. */
  pruned(count: number): void {
    this.state.counts.pruned += count;
  }

  get result(): BackupAllResult {
    const { requestKey, began, counts, failures } = this.state;
    return { requestKey, ...counts, failures, durationMs: Math.max(0, Date.now() - Date.parse(began)) };
  }

  private show(): void {
    const { sites, done, failed, pruned } = this.state.counts;
    const failures = this.state.failures.map(({ site, code }) => `    - ${markdownText(site)}: ${markdownText(code)}`);
    setCurrentDetails(
      [
        `**backups of ${sites} sites**`,
        '',
        `- done: ${done}`,
        `- failed: ${failed}`,
        ...failures,
        ...(pruned > 0 ? [`- old backups deleted: ${pruned}`] : []),
        ...(this.running.size > 0
          ? [`- running: ${[...this.running].slice(0, TOLD).map(markdownText).join(', ')}`]
          : []),
      ].join('\n'),
    );
  }
}

function codeOf(cause: Error | undefined): string {
  return cause instanceof CancelledFailure ? 'Cancelled' : 'TaskTerminated';
}
