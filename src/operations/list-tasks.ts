import type { KedgeClient } from '../client';
import type { StepPause } from '../contract/step-pause';
import { pendingUndos } from '../core/tasks/authority';
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
  /** The newest step, or the undo that runs; null once it has ended. */
  readonly step: string | null;
  /** Of the error it ended with. */
  readonly code: string | null;
  readonly durationMs: number;
  /** Its steps that somebody paused in Temporal; empty where nobody did, and where Temporal does not answer. */
  readonly paused: readonly (StepPause & { readonly step: string })[];
}

/** Tasks, newest first: at most `limit`, of one site or of all. Of those that go on Temporal is asked too, where it can be reached. */
export async function listTasks(
  { journals, redact }: Pick<Parts, 'journals' | 'redact'>,
  client: () => Promise<KedgeClient>,
  { limit, site }: { readonly limit: number; readonly site?: string | undefined },
): Promise<TaskSummary[]> {
  const found = await journals.newest(limit, site);
  const reached = found.some(({ outcome }) => outcome === null) ? await client().catch(() => null) : null;
  return Promise.all(
    found.map(async (journal) => ({
      ...summaryOf(journal),
      paused: reached && !journal.outcome ? redact(await pausesOf(reached, journal), journal.site) : [],
    })),
  );
}

/** A list says what it can. */
async function pausesOf({ temporal }: KedgeClient, { workflowId, runId }: Journal): Promise<TaskSummary['paused']> {
  const { pausedSteps } = await import('../temporal/pauses.js');
  const asking = temporal.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => pausedSteps(temporal, workflowId, runId));
  return (await asking.catch(() => [])).map(({ step, pause }) => ({ step, ...pause }));
}

const ANSWER_WITHIN_MS = 3_000;

function summaryOf(journal: Journal): Omit<TaskSummary, 'paused'> {
  const { task, site, type, who, started, outcome, step, description } = journal;
  const durationMs = new Date(outcome?.ended ?? Date.now()).getTime() - new Date(started).getTime();
  return {
    ...{ task, site, type, who, description, started },
    status: outcome?.status ?? (journal.undoing ? 'undoing' : 'running'),
    step: outcome ? null : ((journal.undoing ? pendingUndos(journal)[0] : undefined) ?? step),
    code: outcome?.code ?? null,
    durationMs,
  };
}
