import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  isGrpcServiceError,
} from '@temporalio/client';
import { TypedSearchAttributes, defineSearchAttributeKey } from '@temporalio/common';
import { KedgeError } from '../contract/errors';
import {
  KEEP_SIGNAL,
  SEARCH_ATTRIBUTES,
  SUBMIT_UPDATE,
  WITHDRAW_SIGNAL,
  siteWorkflowId,
  taskIdOf,
  turnsOptions,
  turnsWorkflowId,
} from '../contract/names';
import type { KeptRequest, SubmitRequest, Ticket } from '../contract/tasks';
import { kedgeErrorOf } from './failures';
import { workerPolls } from './pollers';

type Turns = (site: string) => Promise<void>;

/** How long a request waits for a worker. */
export interface Patience {
  /** Where a worker lives and does not answer (it may be paused, beside a healthy one), three times as long. */
  readonly timeoutMs: number;
  /** Leave the request to whichever worker comes, instead of withdrawing it. */
  readonly keep: boolean;
}

const PATIENCE_WITH_LIVING_WORKERS = 3;
const ASK_AGAIN_AFTER_MS = 250;
/** An answer that was on its way when its caller gave up comes within. */
const SETTLING_MS = 2000;

/**
 * Asks for a task: the queue of the site is started when it is idle, and answers with a ticket. When nobody answers in time the
 * request is withdrawn, or kept for the next worker; one that was answered at the last moment counts as answered.
 * @throws KedgeError SiteBusy with by what, by whom, since when; NoWorker for a request that was withdrawn
 */
export async function submit(
  client: Client,
  taskQueue: string,
  request: SubmitRequest,
  patience: Patience,
): Promise<Ticket> {
  const { site } = request.input;
  const asked = { request, updateId: randomUUID() };
  try {
    return (
      (await ask(client, taskQueue, asked, patience)) ??
      (await awaitAnswer(client, asked, await restOf(client, taskQueue, patience))) ??
      (patience.keep ? await keep(client, taskQueue, asked) : await withdraw(client, taskQueue, asked, patience))
    );
  } catch (error) {
    throw kedgeErrorOf(error, site);
  }
}

interface Asked {
  readonly request: SubmitRequest;
  readonly updateId: string;
}

/**
 * The ticket; null when nobody answers in time. The queue may end in the very moment it is asked: then a new one is started. Where
 * workers took its tasks and did not finish them, Temporal lets nobody ask for a while: that is not an answer, and it is asked again.
 */
async function ask(
  client: Client,
  taskQueue: string,
  { request, updateId }: Asked,
  { timeoutMs }: Patience,
): Promise<Ticket | null> {
  const askOnce = (): Promise<Ticket> =>
    client.withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.executeUpdateWithStart<Turns, Ticket, [SubmitRequest]>(SUBMIT_UPDATE, {
        args: [request],
        updateId,
        startWorkflowOperation: new WithStartWorkflowOperation('turns', {
          ...queueOf(request.input.site, taskQueue),
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    );
  for (const began = performance.now(); ;) {
    try {
      return await askOnce();
    } catch (error) {
      if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return null;
      if (!endedMeanwhile(error) && !isNotReady(error)) throw error;
      // Whose tasks are lost has workers.
      if (performance.now() - began > PATIENCE_WITH_LIVING_WORKERS * timeoutMs) return null;
      await delay(ASK_AGAIN_AFTER_MS);
    }
  }
}

/** How much longer an answer is waited for, ms. */
async function restOf(client: Client, taskQueue: string, { timeoutMs }: Patience): Promise<number> {
  const lives = await workerPolls(client, client.options.namespace, taskQueue);
  return lives ? (PATIENCE_WITH_LIVING_WORKERS - 1) * timeoutMs : SETTLING_MS;
}

/** So that all that is about a site is found by it. */
const SITE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.site, 'KEYWORD');

function queueOf(site: string, taskQueue: string) {
  return {
    ...turnsOptions(site),
    taskQueue,
    typedSearchAttributes: new TypedSearchAttributes([{ key: SITE, value: site }]),
  } as const;
}

function endedMeanwhile(error: unknown): boolean {
  const text = error instanceof Error ? `${error.message} ${isGrpcServiceError(error) ? error.details : ''}` : '';
  return /already completed|AcceptedUpdateCompletedWorkflow/i.test(text);
}

/** A workflow whose tasks failed or timed out takes no update before one is done. */
function isNotReady(error: unknown): boolean {
  return isGrpcServiceError(error) && Number(error.code) === FAILED_PRECONDITION;
}

/** Of gRPC: its package is none of ours. */
const FAILED_PRECONDITION = 9;

/** Hands a request that nobody answered to Temporal, for whichever worker comes. */
async function keep(client: Client, taskQueue: string, asked: Asked): Promise<Ticket> {
  const { request, updateId } = asked;
  const { site } = request.input;
  // No queue gives it an id before a worker comes; others may ask in this second too.
  const task = `${taskIdOf(site, request.type, new Date())}_${randomInt(100_000, 1_000_000)}`;
  await client.workflow.signalWithStart<Turns, [KeptRequest]>('turns', {
    ...queueOf(site, taskQueue),
    signal: KEEP_SIGNAL,
    signalArgs: [{ request, task, updateId }],
  });
  const answered = await awaitAnswer(client, asked, SETTLING_MS);
  return answered ?? { task, workflowId: siteWorkflowId(site), waiting: true, noWorker: true };
}

/**
 * What nobody took would surprise everybody hours later: a queue that never ran is ended, another told to forget it. Returns the
 * ticket when a worker answers at this very moment.
 * @throws KedgeError NoWorker, which says so when the request could not be withdrawn
 */
async function withdraw(client: Client, taskQueue: string, asked: Asked, { timeoutMs }: Patience): Promise<Ticket> {
  const { site } = asked.request.input;
  const handle = client.workflow.getHandle(turnsWorkflowId(site));
  const unanswered = `no worker answered on ${taskQueue} within ${Math.round(timeoutMs / 1000)} s`;
  try {
    const description = await handle.describe();
    if (description.status.name === 'RUNNING') {
      if (description.historyLength <= 2) await handle.terminate('no worker took it');
      else await handle.signal<[string]>(WITHDRAW_SIGNAL, asked.updateId);
    }
  } catch (cause) {
    if (!(cause instanceof WorkflowNotFoundError))
      throw new KedgeError('NoWorker', `${unanswered}, and the request could not be withdrawn`, {
        site,
        state: 'the site is unchanged until a worker comes, which may carry the request out',
        cause,
      });
  }
  const answered = await awaitAnswer(client, asked, SETTLING_MS);
  if (answered !== null) return answered;
  throw new KedgeError('NoWorker', unanswered, { site, state: 'the site is unchanged' });
}

/** Waits for the answer to what was asked before, and asks nothing anew; null when none comes. @throws what it was refused with */
async function awaitAnswer(client: Client, { request, updateId }: Asked, timeoutMs: number): Promise<Ticket | null> {
  const handle = client.workflow.getHandle(turnsWorkflowId(request.input.site));
  try {
    return await client.withDeadline(Date.now() + timeoutMs, () => handle.getUpdateHandle<Ticket>(updateId).result());
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && !isWithdrawal(error)) throw error;
    return null;
  }
}

/** A worker that came late refused it for being withdrawn. */
function isWithdrawal({ cause }: WorkflowUpdateFailedError): boolean {
  return cause !== undefined && 'type' in cause && cause.type === 'NoWorker';
}
