import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { BACKUP_ID, SITE_URI, type TaskType, WORKFLOW_TYPES, isTaskIdOf, siteWorkflowId } from '../../contract/names';
import type { BackupAllInput } from '../../contract/fleet';
import { MAXIMUM_PAYLOAD_BYTES, jsonBytes } from '../../contract/payload-bounds';
import type { AskedTask, RequestInput, Requester, SubmitRequest } from '../../contract/tasks';
import type { FleetState } from './fleet';
import type { KeptTask, QueueState, QueuedTask } from './queued-task';
import { MAXIMUM_WAITING } from './site-queue';

/**
 * Looks at what a workflow itself reads of its input; preflight decodes all of it. An error here is a failure of the
 * workflow, whereas a TypeError further on would leave it running and stuck under the ID that is the site's lock.
 * @throws ApplicationFailure InputInvalid; WorkflowIdRefused, for only the lock's holder may touch journals of the site
 */
export function acceptInput<Input extends { site: string; task?: string }>(type: TaskType, given: Input): Input {
  const input: unknown = given;
  if (!isRecord(input)) throw invalid(`a ${type} takes one object`);
  const { site, task, backup, archive } = input;
  acceptSite(site, type);
  // It is handed on, within more: what is too large by then would end the workflow.
  if (jsonBytes(input) > MAXIMUM_REQUEST_BYTES)
    throw invalid(`an input has at most ${MAXIMUM_REQUEST_BYTES} bytes`, site);
  if (task !== undefined && !(typeof task === 'string' && isTaskIdOf(task, site, type)))
    throw invalid(`task is no id of a ${type} of ${site}`, site);
  if (type === 'restore' && !(typeof backup === 'string' && isBackupId(backup)))
    throw invalid('backup is no backup id such as example.com-20261124.031502', site);
  if (type === 'deploy' && !(typeof archive === 'string' && archive.startsWith('/')))
    throw invalid('archive is no absolute path', site);
  return given;
}

/** As {@link acceptInput}, for workflows that are given a site alone. */
export function acceptSite(site: unknown, type: string, idOf = siteWorkflowId): asserts site is string {
  if (typeof site !== 'string' || !SITE_URI.test(site)) throw invalid('site is no host name in lower case');
  const { workflowId } = workflowInfo();
  if (workflowId === idOf(site)) return;
  throw refusal(
    'WorkflowIdRefused',
    `a ${type} of ${site} was started as ${workflowId}, not as ${idOf(site)}`,
    'Start `request` under any ID, the task itself under site/<uri>, or use KedgeClient.',
    site,
  );
}

/** What `turns` reads and passes on of a request. @throws ApplicationFailure InputInvalid */
export function acceptRequest(site: string, given: SubmitRequest): void {
  const request: unknown = given;
  const input = isRecord(request) ? request['input'] : undefined;
  if (!isRecord(request) || !isRecord(input)) throw invalid('a request has type, input and waitTurn', site);
  // It is kept, and handed on to the task: what is of no use would make that fail for its size.
  if (jsonBytes(request) > MAXIMUM_REQUEST_BYTES)
    throw invalid(`a request has at most ${MAXIMUM_REQUEST_BYTES} bytes`, site);
  if (!WORKFLOW_TYPES.some((type) => type === request['type'])) throw invalid('the type of a request is no task', site);
  if (typeof request['waitTurn'] !== 'boolean') throw invalid('waitTurn is neither true nor false', site);
  if (input['site'] !== site) throw invalid(`the request is not for ${site}`, site);
  if (input['task'] !== undefined) throw invalid('the queue gives tasks their ids', site);
  for (const [name, longest] of [
    ['who', 200],
    ['requestKey', 200],
    ['description', 1000],
    ['backup', MAXIMUM_ID_LENGTH],
    ['archive', MAXIMUM_PATH_LENGTH],
  ] as const) {
    const value = input[name];
    if (value !== undefined && !(typeof value === 'string' && value.length <= longest))
      throw invalid(`${name} is no text of at most ${longest} characters`, site);
  }
}

/** What the workflow `request` is given, as it asks the queue for it. @throws ApplicationFailure InputInvalid */
export function acceptRequestInput(given: RequestInput): SubmitRequest {
  const request: unknown = given;
  const input = isRecord(request) ? request['input'] : undefined;
  if (!isRecord(request) || !isRecord(input)) throw invalid('a request has type and input, and may have waitTurn');
  const { site } = input;
  if (typeof site !== 'string' || !SITE_URI.test(site)) throw invalid('site is no host name in lower case');
  const asked = { type: request['type'], input, waitTurn: request['waitTurn'] ?? true } as SubmitRequest;
  acceptRequest(site, asked);
  return asked;
}

/** What the workflow `backupAll` is given; the activity that plans it decodes all of it. @throws ApplicationFailure InputInvalid */
export function acceptFleet(given: BackupAllInput): BackupAllInput {
  const input: unknown = given;
  if (!isRecord(input)) throw invalid('backups of many sites take one object');
  if (jsonBytes(input) > MAXIMUM_REQUEST_BYTES) throw invalid(`an input has at most ${MAXIMUM_REQUEST_BYTES} bytes`);
  return given;
}

/** What a run of it hands to the next one; null in the first. @throws ApplicationFailure InputInvalid */
export function acceptFleetState(given: unknown): FleetState | null {
  if (given === undefined || given === null) return null;
  const { requestKey, began, after, counts, failures } = isRecord(given) ? given : {};
  const isState =
    typeof requestKey === 'string' &&
    typeof began === 'string' &&
    (after === null || typeof after === 'string') &&
    isRecord(counts) &&
    ['sites', 'done', 'warned', 'failed', 'pruned'].every((name) => Number.isSafeInteger(counts[name])) &&
    Array.isArray(failures) &&
    jsonBytes(given) <= MAXIMUM_PAYLOAD_BYTES;
  if (!isState) throw invalid('the state of backups of many sites is none of an earlier run');
  return given as FleetState;
}

/**
 * Gives a request that has none a key of this workflow, so that it is one task however often the queue is asked. To what is signed
 * nothing is added: it has a number of its own, and its signer may give it a key.
 */
export function withRequestKey(request: SubmitRequest): SubmitRequest {
  const { input } = request;
  if (input.requestKey !== undefined || input.signature !== undefined) return request;
  const { workflowId, runId } = workflowInfo();
  return { ...request, input: { ...input, requestKey: `${workflowId.slice(0, KEPT_OF_ID)}/${runId}` } };
}

/** What a workflow asked a queue; null for what cannot be answered. What it asks for is looked at by {@link acceptRequest}. */
export function acceptAsked(given: unknown): AskedTask | null {
  const { request, requester } = isRecord(given) ? given : {};
  return isRequester(requester) && isRecord(request)
    ? { request: request as unknown as SubmitRequest, requester: requesterOf(requester) }
    : null;
}

function isRequester(given: unknown): given is Requester {
  const { workflowId, runId } = isRecord(given) ? given : {};
  return (
    typeof workflowId === 'string' &&
    workflowId.length <= MAXIMUM_WORKFLOW_ID_LENGTH &&
    typeof runId === 'string' &&
    runId.length <= MAXIMUM_ID_LENGTH
  );
}

function requesterOf({ workflowId, runId }: Requester): Requester {
  return { workflowId, runId };
}

/** What a run of `turns` hands to the next one, however it came to be. @throws ApplicationFailure InputInvalid */
export function acceptQueueState(site: string, given: unknown): QueueState {
  // Absent in the first run; other SDKs send null then.
  if (given === undefined || given === null) return { waiting: [] };
  const waiting = isRecord(given) ? given['waiting'] : undefined;
  if (!Array.isArray(waiting) || waiting.length > MAXIMUM_WAITING)
    throw invalid(`the state of a queue has a list of at most ${MAXIMUM_WAITING} that wait`, site);
  return { waiting: waiting.map((queued) => acceptQueued(site, queued)) };
}

function acceptQueued(site: string, queued: unknown): QueuedTask {
  const { task, request, submitted } = isRecord(queued) ? queued : {};
  acceptRequest(site, request as SubmitRequest);
  const { type } = request as SubmitRequest;
  if (typeof task !== 'string' || !isTaskIdOf(task, site, type))
    throw invalid(`what waits is no id of a ${type} of ${site}`, site);
  if (typeof submitted !== 'string' || Number.isNaN(Date.parse(submitted)))
    throw invalid('what waits has no time at which it was submitted', site);
  const { kept, requesters } = queued as Partial<QueuedTask>;
  const told = Array.isArray(requesters) ? requesters.filter(isRequester).map(requesterOf) : [];
  return {
    ...{ task, request: request as SubmitRequest, submitted },
    ...(kept === true ? { kept } : {}),
    ...(told.length > 0 ? { requesters: told } : {}),
  };
}

/** A request that was kept until a worker came; null for what is none, since nobody is there to be told. */
export function acceptKept(site: string, given: unknown, now: Date): KeptTask | null {
  const { task, request, updateId } = isRecord(given) ? given : {};
  if (typeof updateId !== 'string') return null;
  try {
    return { ...acceptQueued(site, { task, request, submitted: now.toISOString(), kept: true }), updateId };
  } catch (error) {
    if (error instanceof ApplicationFailure) return null;
    throw error;
  }
}

const MAXIMUM_REQUEST_BYTES = 16_000;

const MAXIMUM_ID_LENGTH = 300;
/** Of a key of 200 characters, beside a run id. */
const KEPT_OF_ID = 150;
/** Of Temporal itself. */
const MAXIMUM_WORKFLOW_ID_LENGTH = 1000;
/** Paths of Linux have no more bytes. */
const MAXIMUM_PATH_LENGTH = 4096;

function isBackupId(text: string): boolean {
  return text.length <= MAXIMUM_ID_LENGTH && BACKUP_ID.test(text);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(why: string, site?: string): ApplicationFailure {
  return refusal(
    'InputInvalid',
    `the input is not valid: ${why}`,
    'Start tasks by `kedge` or by KedgeClient, which build valid inputs.',
    site,
  );
}

function refusal(type: string, message: string, hint: string, site: string | undefined): ApplicationFailure {
  const details = { hint, state: 'the site is unchanged', ...(site === undefined ? {} : { site }) };
  return ApplicationFailure.create({ type, message, details: [details], nonRetryable: true });
}
