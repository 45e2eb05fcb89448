import type { Journal } from '../core/tasks/journal';
import type { Parts } from './parts';

/** A task in a list. */
export interface TaskSummary {
  readonly task: string;
  readonly site: string;
  readonly type: Journal['type'];
  readonly who: string;
  readonly description: string | null;
  /** ISO 8601. */
  readonly started: string;
  readonly status: NonNullable<Journal['outcome']>['status'] | 'undoing' | 'running';
  /** Null once it has ended. */
  readonly step: string | null;
  /** Of the error it ended with. */
  readonly code: string | null;
  readonly durationMs: number;
}

/** Tasks, newest first: at most `limit`, of one site or of all. */
export async function listTasks(
  { journals }: Pick<Parts, 'journals'>,
  { limit, site }: { readonly limit: number; readonly site?: string | undefined },
): Promise<TaskSummary[]> {
  return (await journals.newest(limit, site)).map(summaryOf);
}

function summaryOf(journal: Journal): TaskSummary {
  const { task, site, type, who, started, outcome, step, description } = journal;
  const durationMs = new Date(outcome?.ended ?? Date.now()).getTime() - new Date(started).getTime();
  return {
    ...{ task, site, type, who, description, started },
    status: outcome?.status ?? (journal.undoing ? 'undoing' : 'running'),
    step: outcome ? null : step,
    code: outcome?.code ?? null,
    durationMs,
  };
}
