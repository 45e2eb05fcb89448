import type { RunState } from '../../contract/tasks';
import type { Journal } from './journal';
import { livesElsewhere } from './worker-process';

/** What of a journal tells who works on its task. */
type Worked = Pick<Journal, 'task' | 'workflowId' | 'runId'> & Partial<Pick<Journal, 'worker'>>;

/**
 * Whether a task that is open may still go on by itself: its run is open in Temporal; or Temporal does not know the run and
 * the worker that began its newest step lives, for then another Temporal may run it. In this worker, which asks this
 * Temporal, a run that is not known has nobody but the attempts that have not heard of it yet.
 */
export async function taskLives(
  { task, workflowId, runId, worker }: Worked,
  runStateOf: (workflowId: string, runId: string) => Promise<RunState>,
  isAttempted: (task: string) => boolean = () => false,
): Promise<boolean> {
  const state = await runStateOf(workflowId, runId);
  if (state !== 'unknown') return state === 'running';
  return isAttempted(task) || (worker ? livesElsewhere(worker) : false);
}
