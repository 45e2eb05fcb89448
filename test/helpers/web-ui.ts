import { randomUUID } from 'node:crypto';
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
  isGrpcServiceError,
} from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import Long from 'long';
import type { Draw } from '../../scripts/lab/draw';
import { isKedgeError } from '../../src/contract/errors';
import { KEEP_SIGNAL, WITHDRAW_SIGNAL, taskQueueOf } from '../../src/contract/names';
import { kedgeErrorOf } from '../../src/temporal/failures';
import { resetRun } from './reset-run';

/** What somebody can press on the page of a run, or of one of its activities, or beside the list. */
export const BUTTONS = [
  'pause',
  'unpause',
  'reset activity',
  'update activity options',
  'update options',
  'signal',
  'start',
  'cancel',
  'terminate',
  'reset',
] as const;
export type Button = (typeof BUTTONS)[number];

/** Who presses, in the words of Temporal's pages. */
export const PRESSER = 'anna@desk';
export const REASON = 'pressed in a test';

/** Where somebody presses: the page of a run. */
export interface Pressed {
  readonly workflowId: string;
  /** The step that runs. */
  readonly activity: string;
  /** The site of the workflow. */
  readonly site: string;
}

/** What JSON can carry and no workflow takes. */
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  -1.5,
  '',
  [],
  {},
  { site: null },
  { site: [] },
  'x'.repeat(500_000),
];
const TYPES = ['backup', 'restore', 'deploy', 'verify', 'recover', 'turns', 'request', 'listBackups', 'readTaskLog'];

/** The buttons of the Temporal Web UI, by the calls that they make. */
export class WebUi {
  constructor(
    private readonly client: Client,
    private readonly master: string,
  ) {}

  /** Presses a button. Returns what was not as it should be: that a press was refused which nothing speaks against, or taken. */
  async press(button: Button, at: Pressed, draw: Draw): Promise<string[]> {
    try {
      return (await this.act(button, at, draw)) ?? [];
    } catch (error) {
      if (!isGrpcServiceError(error) && !(error instanceof WorkflowNotFoundError)) throw error;
      return [`${button} of ${at.activity} of ${at.workflowId} was refused: ${error.message}`];
    }
  }

  private async act(button: Button, at: Pressed, draw: Draw): Promise<string[] | void> {
    const { workflowService: service, workflow } = this.client;
    const { namespace } = this.client.options;
    const { workflowId, activity } = at;
    const ofActivity = { namespace, identity: PRESSER, execution: { workflowId }, type: activity };
    const handle = workflow.getHandle(workflowId);
    switch (button) {
      case 'pause':
        await service.pauseActivity({ ...ofActivity, reason: REASON });
        return;
      case 'unpause':
        await service.unpauseActivity({
          ...ofActivity,
          resetAttempts: draw.percent(50),
          resetHeartbeat: draw.percent(50),
        });
        return;
      case 'reset activity':
        await service.resetActivity({ ...ofActivity, resetHeartbeat: draw.percent(50) });
        return;
      case 'update activity options':
        await service.updateActivityOptions({ ...ofActivity, ...draw.of(ACTIVITY_OPTIONS) });
        return;
      case 'update options':
        await service.updateWorkflowExecutionOptions({
          ...{ namespace, workflowExecution: { workflowId }, identity: PRESSER },
          ...{ workflowExecutionOptions: {}, updateMask: { paths: ['versioning_override'] } },
        });
        return;
      case 'signal':
        await handle.signal(draw.of(['nobody-listens', KEEP_SIGNAL, WITHDRAW_SIGNAL]), draw.of(ODD));
        return this.askOddly(handle, draw.of(ODD));
      case 'start':
        return [...(await this.startUnderBusyId(at, draw)), ...(await this.startElsewhere(at, draw))];
      case 'cancel':
        await handle.cancel();
        return;
      case 'terminate':
        await handle.terminate(REASON);
        return;
      case 'reset':
        await resetRun(this.client, workflowId);
    }
  }

  /** What a workflow does not know it refuses, updates and queries too. */
  private async askOddly(handle: WorkflowHandle, odd: unknown): Promise<string[]> {
    const asked = await Promise.allSettled([
      handle.executeUpdate('nobody-listens', { args: [odd] }),
      handle.query('nobody-answers', odd),
    ]);
    return asked.flatMap((answer, index) =>
      answer.status === 'fulfilled' ? [`${['an update', 'a query'][index]} of ${handle.workflowId} was answered`] : [],
    );
  }

  /** The id of a site is its lock, whatever somebody starts there. */
  private async startUnderBusyId({ workflowId }: Pressed, draw: Draw): Promise<string[]> {
    const [type, input] = [draw.of(TYPES), draw.of(ODD)];
    try {
      await this.client.workflow.start(type, { workflowId, taskQueue: taskQueueOf(this.master), args: [input] });
      return [`${type} was started as ${workflowId}, which is busy`];
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return [];
      throw error;
    }
  }

  /** A workflow of any type with input that is none, or under an id that is none of its own, ends and says why. */
  private async startElsewhere({ site }: Pressed, draw: Draw): Promise<string[]> {
    const type = draw.of(TYPES);
    const input = draw.percent(50) ? draw.of(ODD) : type === 'recover' || type === 'turns' ? site : { site };
    const workflowId = `started-by-hand/${randomUUID()}`;
    const taskQueue = taskQueueOf(this.master);
    const ended: unknown = await this.client.workflow
      .execute(type, {
        workflowId,
        taskQueue,
        args: input === undefined ? [] : [input],
        workflowRunTimeout: '2 minutes',
      })
      .catch((error: unknown) => kedgeErrorOf(error, site));
    const isFine = isKedgeError(ended)
      ? ['InputInvalid', 'WorkflowIdRefused'].includes(ended.code)
      : type === 'listBackups';
    return isFine
      ? []
      : [`${type} as ${workflowId} of ${JSON.stringify(input)?.slice(0, 100)} ended with ${String(ended)}`];
  }
}

const seconds = (count: number) => ({ seconds: Long.fromNumber(count) });

/** None of them ends an attempt. */
const ACTIVITY_OPTIONS: readonly Partial<temporal.api.workflowservice.v1.IUpdateActivityOptionsRequest>[] = [
  { activityOptions: { heartbeatTimeout: seconds(30) }, updateMask: { paths: ['heartbeat_timeout'] } },
  { activityOptions: { startToCloseTimeout: seconds(3600) }, updateMask: { paths: ['start_to_close_timeout'] } },
  {
    activityOptions: { retryPolicy: { maximumInterval: seconds(1) } },
    updateMask: { paths: ['retry_policy.maximum_interval'] },
  },
  { restoreOriginal: true },
];
