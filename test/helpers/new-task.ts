import type { NewTask } from '../../src/core/tasks/journals';

/** A restore that nobody has begun. */
export function newTask({ site = 'example.com', ...changes }: Partial<NewTask> = {}): NewTask {
  return {
    task: `${site}-20261124.031502-restore`,
    site,
    type: 'restore',
    who: 'anna',
    description: null,
    requestKey: null,
    workflowId: `site/${site}`,
    runId: 'run-1',
    epoch: 0,
    accepted: null,
    ...changes,
  };
}
