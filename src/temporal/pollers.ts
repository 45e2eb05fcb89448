import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

/** A worker polls anew each minute; one that died is listed for longer. */
const POLLED_WITHIN_MS = 75_000;

/** Whether a worker takes tasks from a queue, as far as Temporal and this machine know: one that is paused counts, a dead one does not. */
export async function workerPolls(client: Client, namespace: string, taskQueue: string): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  return (pollers ?? []).some(
    ({ identity, lastAccessTime }) =>
      Number(lastAccessTime?.seconds ?? 0) * 1000 >= since && !isDeadProcess(identity ?? ''),
  );
}

/** What a worker calls itself in Temporal: whose it is, where it runs, and as which process. */
export function workerIdentity(master: string): string {
  return `kedge/${master}@${hostname()}#${process.pid}`;
}

/** Of a worker of this machine the end is known at once. Those of a Kedge before called themselves `pid@host`. */
function isDeadProcess(identity: string): boolean {
  const [, host, pid] = /^kedge\/[^@]*@(.*)#(\d+)$/.exec(identity) ?? [];
  const [, pidBefore, hostBefore] = /^(\d+)@(.*)$/.exec(identity) ?? [];
  return (
    (pid !== undefined && host === hostname() && hasEnded(pid)) ||
    (pidBefore !== undefined && hostBefore === hostname() && hasEnded(pidBefore))
  );
}

function hasEnded(pid: string): boolean {
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
