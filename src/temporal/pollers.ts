import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { temporal } from '@temporalio/proto';

/** A worker polls anew each minute; one that died is listed for longer. */
const POLLED_WITHIN_MS = 75_000;

/** Who has polled a queue lately, and the version whose workers its tasks go to: null for workers without one. */
export interface QueueDescription {
  readonly current: WorkerDeploymentVersion | null;
  readonly pollers: readonly { readonly identity: string; readonly version: WorkerDeploymentVersion | null }[];
}

/** As far as Temporal and this machine know: a worker that is paused counts as one that polls, a dead one does not. */
export async function describeQueue(
  client: Client,
  namespace: string,
  taskQueue: string,
  of: 'workflows' | 'activities' = 'workflows',
): Promise<QueueDescription> {
  const types = temporal.api.enums.v1.TaskQueueType;
  const { pollers, versioningInfo } = await client.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: of === 'workflows' ? types.TASK_QUEUE_TYPE_WORKFLOW : types.TASK_QUEUE_TYPE_ACTIVITY,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  const versioned = temporal.api.enums.v1.WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED;
  return {
    current: versionIn(versioningInfo?.currentDeploymentVersion),
    pollers: (pollers ?? [])
      .filter(
        ({ identity, lastAccessTime }) =>
          Number(lastAccessTime?.seconds ?? 0) * 1000 >= since && !isDeadProcess(identity ?? ''),
      )
      .map(({ identity, deploymentOptions }) => ({
        identity: identity ?? '',
        version: deploymentOptions?.workerVersioningMode === versioned ? versionIn(deploymentOptions) : null,
      })),
  };
}

/** Whether a worker takes tasks from a queue: one polls, and it is of the version that they go to. */
export async function workerPolls(client: Client, namespace: string, taskQueue: string): Promise<boolean> {
  const { current, pollers } = await describeQueue(client, namespace, taskQueue);
  return pollers.some(({ version }) => sameVersion(version, current));
}

export function sameVersion(one: WorkerDeploymentVersion | null, other: WorkerDeploymentVersion | null): boolean {
  return one?.deploymentName === other?.deploymentName && one?.buildId === other?.buildId;
}

/** Temporal says by empty names that there is none. */
function versionIn(
  version: { readonly deploymentName?: string | null; readonly buildId?: string | null } | null | undefined,
): WorkerDeploymentVersion | null {
  const { deploymentName, buildId } = version ?? {};
  return deploymentName && buildId ? { deploymentName, buildId } : null;
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
