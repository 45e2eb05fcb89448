import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, isGrpcServiceError } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { KedgeError } from '../contract/errors';
import { promptQueueOf, taskQueueOf } from '../contract/names';
import { describeQueue, sameVersion } from './pollers';

/**
 * What Temporal tells the workers of a master apart by: the deployment is the master, the build the release of Kedge and its
 * workflow code.
 */
export function workerVersionOf(master: string, release: string, bundle: string): WorkerDeploymentVersion {
  const digest = createHash('sha256').update(bundle).digest('hex').slice(0, DIGEST_CHARACTERS);
  return { deploymentName: deploymentOf(master), buildId: `${release}-${digest}` };
}

/** The queue's name, but that Temporal takes no dots here. A master's name has no `_`: two masters never share one. */
export function deploymentOf(master: string): string {
  return taskQueueOf(master).replaceAll('.', '_');
}

/** Options of a worker with a version; none without one. A task that runs goes on in the version that is current. */
export function versioningOptions(
  version: WorkerDeploymentVersion | null,
): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (version === null) return {};
  const behaviour = { useWorkerVersioning: true, defaultVersioningBehavior: 'AUTO_UPGRADE' } as const;
  return { workerDeploymentOptions: { version, ...behaviour } };
}

/** The queue of a master, and the version of the worker that stands here; null for one that Temporal is to know by none. */
export interface VersionedWorker {
  readonly namespace: string;
  readonly master: string;
  readonly version: WorkerDeploymentVersion | null;
}

/** Sees to it that the tasks of a master come to the worker of this version, and notices when they do not any more. */
export class WorkerVersioning {
  private toldOf: string | null = null;

  constructor(
    private readonly client: Client,
    private readonly worker: VersionedWorker,
    private readonly tell: (text: string) => void,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /**
   * Makes the version current, and returns once the queues of the master go by it. The worker polls: Temporal knows a version by its first poll.
   * One without a version takes the queue back from those that have one. Returns early when the signal is aborted.
   * @throws KedgeError WorkerVersionRefused
   */
  async makeCurrent(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.limitMs;
    while (!signal.aborted) {
      let failure: unknown = 'its version was not current a moment later';
      try {
        const current = await this.current();
        if (!sameVersion(current, this.worker.version)) await this.set(current);
        if (await this.isCurrent()) return;
      } catch (error) {
        if (isRefusal(error)) throw this.refused(error);
        failure = error;
      }
      if (performance.now() > deadline) throw this.refused(failure);
      await delay(ASK_AGAIN_AFTER_MS, undefined, { ref: false });
    }
  }

  /** Tells, once for each other version, that this worker is given nothing to begin or to go on with. */
  async look(): Promise<void> {
    const current = await this.current();
    const name = nameOf(current);
    if (!sameVersion(current, this.worker.version) && name !== this.toldOf)
      this.tell(
        `this worker (${nameOf(this.worker.version)}) is given no tasks any more: Temporal gives them to ${name}. Start the worker that is to have them again, and end the other`,
      );
    this.toldOf = sameVersion(current, this.worker.version) ? null : name;
  }

  private async current(): Promise<WorkerDeploymentVersion | null> {
    const { namespace, master } = this.worker;
    return (await describeQueue(this.client, namespace, taskQueueOf(master))).current;
  }

  /** Of both queues: the second one follows the first after a moment. */
  private async isCurrent(): Promise<boolean> {
    const { namespace, master, version } = this.worker;
    const prompt = await describeQueue(this.client, namespace, promptQueueOf(taskQueueOf(master)), 'activities');
    return sameVersion(await this.current(), version) && sameVersion(prompt.current, version);
  }

  private async set(current: WorkerDeploymentVersion | null): Promise<void> {
    const { namespace, master, version } = this.worker;
    await this.client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      // The one to take the queue from may be called otherwise.
      deploymentName: version?.deploymentName ?? current?.deploymentName ?? deploymentOf(master),
      buildId: version?.buildId ?? '',
      // One for all workers of a master: a version that two of them make current at once is made so once.
      identity: taskQueueOf(master),
    });
  }

  private refused(cause: unknown): KedgeError {
    const { namespace, version } = this.worker;
    const why = isGrpcServiceError(cause) ? cause.details : cause instanceof Error ? cause.message : String(cause);
    return new KedgeError(
      'WorkerVersionRefused',
      `Temporal does not give the tasks of namespace ${namespace} to this worker (${nameOf(version)}): ${why}`,
      { cause, state: 'the worker takes no tasks; the one that was current goes on' },
    );
  }
}

/** As people read it. */
function nameOf(version: WorkerDeploymentVersion | null): string {
  return version === null ? 'workers without a version' : `version ${version.buildId}`;
}

/** Asking again would not help: the server knows no versions, or does not let this client set them. */
function isRefusal(error: unknown): boolean {
  return isGrpcServiceError(error) && REFUSALS.has(Number(error.code));
}

/** Of gRPC: INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED. */
const REFUSALS: ReadonlySet<number> = new Set([3, 7, 12, 16]);
const DIGEST_CHARACTERS = 12;
const ASK_AGAIN_AFTER_MS = 100;
/** The first poll takes a moment; so does a server that is busy. */
const LIMIT_MS = 60_000;
