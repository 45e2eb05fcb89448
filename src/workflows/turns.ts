import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  ParentClosePolicy,
  TerminatedFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  currentUpdateInfo,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  patched,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ASK_SIGNAL,
  CANCEL_SIGNAL,
  DEFAULT_DESCRIPTION,
  GIVE_UP_UPDATE,
  KEEP_SIGNAL,
  SUBMIT_UPDATE,
  type TaskType,
  WITHDRAW_SIGNAL,
  secondOfTask,
  siteWorkflowId,
  turnsWorkflowId,
} from '../contract/names';
import { markdownText } from '../contract/printable';
import type { AskedTask, Busy, KeptRequest, Requester, SubmitRequest, Ticket } from '../contract/tasks';
import { glancing, reading } from './options';
import { acceptAsked, acceptKept, acceptQueueState, acceptRequest, acceptSite } from './steps/input';
import type { QueueState, QueuedTask } from './steps/queued-task';
import { tellAnswer, tellEnd, tellEnds } from './steps/requesters';
import { MAXIMUM_WAITING, SiteQueue } from './steps/site-queue';
import { summaryOf } from './steps/summary';

const submit = defineUpdate<Ticket, [SubmitRequest]>(SUBMIT_UPDATE);
const giveUp = defineUpdate<boolean, [string]>(GIVE_UP_UPDATE);
const withdraw = defineSignal<[string]>(WITHDRAW_SIGNAL);
const keep = defineSignal<[KeptRequest]>(KEEP_SIGNAL);
const ask = defineSignal<[AskedTask]>(ASK_SIGNAL);
const cancel = defineSignal<[string]>(CANCEL_SIGNAL);

/**
 * The queue in front of a site. Callers reach it by update-with-start, workflows by signals: it starts the task, answers that the site
 * is busy, or keeps the task until the site is free. It ends when nobody waits.
 */
export async function turns(site: string, state?: QueueState): Promise<void> {
  acceptSite(site, 'queue', turnsWorkflowId);
  const queue = new SiteQueue(site, acceptQueueState(site, state).waiting);
  let asked = false;
  let learnt: Promise<void> | undefined;
  const learnEarliest = (): Promise<void> => (learnt ??= earliestId(site).then((time) => queue.idsFrom(time)));

  setHandler(withdraw, (updateId: unknown) => {
    if (typeof updateId === 'string' && updateId.length <= MAXIMUM_UPDATE_ID_LENGTH) queue.withdraw(updateId);
  });
  setHandler(keep, (given: unknown) => {
    const kept = acceptKept(site, given, new Date());
    if (kept !== null) queue.keep(kept);
  });
  setHandler(
    submit,
    async (request): Promise<Ticket> => {
      asked = true;
      queue.answer(currentUpdateInfo()?.id ?? '');
      return takeIn(queue, request, site, learnEarliest);
    },
    {
      validator: (request: SubmitRequest) => {
        if (queue.isWithdrawn(currentUpdateInfo()?.id ?? ''))
          throw ApplicationFailure.nonRetryable('the request was withdrawn, for no worker answered it', 'NoWorker');
        acceptRequest(site, request);
        if (queue.isFull) throw queueFull(site);
        const held = queue.holder;
        if (held && !queue.running && !request.waitTurn && !request.input.requestKey) throw siteBusy(site, held);
      },
    },
  );
  setHandler(giveUp, async (task) => {
    const queued = queue.giveUp(task);
    if (!queued) return false;
    await withdrawRequest(queued.request);
    await tellEnds(queued, { neverBegan: true });
    return true;
  });
  setHandler(ask, async (given: unknown) => {
    const wanted = acceptAsked(given);
    if (wanted === null) return;
    asked = true;
    await answerWorkflow(queue, wanted, site, learnEarliest);
  });
  setHandler(cancel, async (task: unknown) => {
    if (typeof task === 'string') await cancelTask(queue, task, site);
  });

  // The first update of an update-with-start is delivered with the first task, its handler runs before this goes on.
  await condition(() => !queue.isEmpty || (asked && allHandlersFinished()), FIRST_REQUEST_MS, {
    summary: 'Wait for the first request',
  });
  for (;;) {
    await condition(() => !queue.isEmpty || allHandlersFinished());
    const queued = queue.next();
    if (!queued) {
      // The next queue of this site knows nothing of the ids of this one: it is to begin in another second.
      const early = queue.idsTakenFor(new Date());
      const askedAgain = (): boolean => !queue.isEmpty || !allHandlersFinished();
      if (early > 0 && (await condition(askedAgain, early, { summary: 'Let the second of the last id pass' })))
        continue;
      return;
    }
    if (queued.kept && (await wasCarriedOut(site, queued.request))) continue;
    await carryOut(queue, queued, site);
    if (workflowInfo().continueAsNewSuggested && allHandlersFinished())
      await continueAsNew<typeof turns>(site, queue.state);
  }
}

/** Tells a workflow that has asked what a caller would be answered; and, at once, of the end of a task that has ended before. */
async function answerWorkflow(
  queue: SiteQueue,
  { request, requester }: AskedTask,
  site: string,
  learnEarliest: () => Promise<void>,
): Promise<void> {
  const given = queue.givenUpOf(requester);
  if (given !== undefined) return tellEnd(requester, { task: given, runId: null, neverBegan: true });
  await tellAnswer(requester, async () => {
    const before = queue.taskOfRequester(requester);
    if (before !== undefined) return queue.ticket(before);
    acceptRequest(site, request);
    if (queue.isFull) throw queueFull(site);
    return takeIn(queue, request, site, learnEarliest, requester);
  }).then(async (ticket) => {
    if (ticket !== null && !queue.join(ticket.task, requester))
      await tellEnd(requester, { task: ticket.task, runId: null });
  });
}

/** Has a task stop and undo, or give its turn up; nothing happens to one that is not of this queue any more. */
async function cancelTask(queue: SiteQueue, task: string, site: string): Promise<void> {
  await condition(() => queue.starting?.task !== task);
  const queued = queue.giveUp(task);
  if (queued) {
    await withdrawRequest(queued.request);
    await tellEnds(queued, { neverBegan: true });
    return;
  }
  const runId = queue.runningRun;
  if (queue.running?.task !== task || runId === null) return;
  await getExternalWorkflowHandle(siteWorkflowId(site), runId)
    .cancel()
    // It has ended meanwhile.
    .catch(() => undefined);
}

/** Answers a submit once it is known whether the task runs, waits, or is refused. @throws ApplicationFailure SiteBusy */
async function takeIn(
  queue: SiteQueue,
  request: SubmitRequest,
  site: string,
  learnEarliest: () => Promise<void>,
  requester?: Requester,
): Promise<Ticket> {
  const { requestKey } = request.input;
  const asBefore = async (task: string): Promise<Ticket> => {
    await withdrawRequest(request);
    return queue.ticket(task);
  };
  if (requestKey) {
    const known =
      queue.taskOfKey(requestKey) ??
      (await reading.findTaskOfRequest({ site, requestKey })) ??
      queue.taskOfKey(requestKey);
    if (known) return asBefore(known);
  }
  await learnEarliest();
  await acceptTurn(request);
  // Another submit of the same may have been accepted meanwhile.
  const meanwhile = requestKey && queue.taskOfKey(requestKey);
  if (meanwhile) return asBefore(meanwhile);
  let held = queue.holder;
  while (held && !request.waitTurn) {
    // Whoever waited for a task knows sooner than this queue that it has ended, and may ask for the next one at once.
    const last = queue.running;
    if (!last || (await reading.whoHoldsSite({ site }))) {
      await withdrawRequest(request);
      throw siteBusy(site, held);
    }
    await condition(() => queue.running !== last);
    held = queue.holder;
  }
  const queued = queue.add(request, new Date(), requester);
  if (request.waitTurn) return { ...queue.ticket(queued.task), waiting: held !== null };
  // Not asked to wait: whether somebody else holds the site is known as soon as the start was tried.
  await condition(() => queue.isDecided(queued));
  const busy = queue.refusalOf(queued);
  if (busy) {
    await withdrawRequest(request);
    throw siteBusy(site, busy);
  }
  return { ...queue.ticket(queued.task), waiting: false };
}

/** Starts a task where the site is free, and waits for its end. */
async function carryOut(queue: SiteQueue, queued: QueuedTask, site: string): Promise<void> {
  queue.start(queued);
  const child = await startTask(site, queued).catch(async (error: unknown) => {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return null;
  });
  queue.started(child?.firstExecutionRunId ?? null);
  if (child) {
    const terminated = await child.result().then(
      () => false,
      (error: unknown) => error instanceof ChildWorkflowFailure && error.cause instanceof TerminatedFailure,
    );
    if (terminated) await recoverSite(site);
    queue.end(queued);
    await tellEnds(queued, { runId: child.firstExecutionRunId });
  } else if (queued.request.waitTurn || queued.kept) {
    // Somebody started a task directly.
    queue.putBack(queued);
    await sleep(BUSY_RETRY_MS, { summary: 'Somebody else holds the site: try again' });
  } else {
    const busy = await reading.whoHoldsSite({ site });
    if (busy) queue.refuse(queued, busy);
    else queue.putBack(queued);
  }
}

const MAXIMUM_UPDATE_ID_LENGTH = 300;
const FIRST_REQUEST_MS = 60_000;
const BUSY_RETRY_MS = 2_000;

/**
 * A request that may wait is told to the master while it is in time: preflight believes nobody else that it was.
 * @throws ApplicationFailure when it has to be signed, and is not, or not in time
 */
async function acceptTurn(request: SubmitRequest): Promise<void> {
  const { type, input, waitTurn } = request;
  const mayNeedIt = input.signature !== undefined || type === 'restore' || type === 'deploy';
  if (!waitTurn || !mayNeedIt || !patched(SIGNED_REQUESTS)) return;
  await reading.acceptTurn({ type, input }).catch((error: unknown) => {
    throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
  });
}

/** A signed request that comes to nothing is used up, so that nobody who has seen it brings it forward later. */
async function withdrawRequest({ type, input }: SubmitRequest): Promise<void> {
  if (input.signature === undefined || !patched(SIGNED_REQUESTS)) return;
  await reading.withdrawRequest({ type, input }).catch((error: unknown) => {
    // What cannot be used up is no request that would be done.
    if (!(error instanceof ActivityFailure)) throw error;
  });
}

/** The first moment behind the site's newest task, ms; 0 where it has none, or nobody can tell. */
async function earliestId(site: string): Promise<number> {
  if (!patched(IDS_IN_ORDER)) return 0;
  const newest = await glancing.findNewestTask({ site }).catch((error: unknown) => {
    // Of a local activity its own failure comes, in no `ActivityFailure`.
    if (!(error instanceof ActivityFailure || error instanceof ApplicationFailure)) throw error;
    return null;
  });
  const second = newest === null ? undefined : secondOfTask(newest);
  return second === undefined ? 0 : second + 1000;
}

const IDS_IN_ORDER = 'ids-in-order';
const SIGNED_REQUESTS = 'signed-requests';

async function startTask(site: string, { task, request: { type, input } }: QueuedTask) {
  return startChild(type, {
    workflowId: siteWorkflowId(site),
    args: [{ ...input, task }],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    // Whoever wants a site back is not to wait for what is saved.
    priority: { priorityKey: type === 'backup' ? 4 : 2 },
    memo: { task, who: input.who ?? 'unknown' },
    staticSummary: summaryOf(site, type, input, await describedBackup(site, input)),
    staticDetails: markdownText(detailsOf(type, input)),
  });
}

/** What the backup was made for that a restore goes back to; null where that is not known at once. */
async function describedBackup(site: string, input: SubmitRequest['input']): Promise<string | null> {
  if (!('backup' in input) || !patched(DESCRIBED_RESTORES)) return null;
  return glancing.describeBackup({ site, backup: input.backup }).catch((error: unknown) => {
    // Of a local activity its own failure comes, in no `ActivityFailure`.
    if (!(error instanceof ActivityFailure || error instanceof ApplicationFailure)) throw error;
    return null;
  });
}

const DESCRIBED_RESTORES = 'described-restores';

function detailsOf(type: TaskType, input: SubmitRequest['input']): string {
  if (type === 'backup') return ('description' in input ? input.description : undefined) ?? DEFAULT_DESCRIPTION;
  if ('backup' in input) return `to ${input.backup}`;
  // Temporal takes 20,000 bytes of details, in which some characters have six.
  return 'archive' in input ? `from ${input.archive}`.slice(0, 1000) : '';
}

/** What was kept has asked nobody whether the same was asked for before. */
async function wasCarriedOut(site: string, { input: { requestKey } }: SubmitRequest): Promise<boolean> {
  return requestKey !== undefined && (await reading.findTaskOfRequest({ site, requestKey })) !== null;
}

/** A terminated task has undone nothing: recovery runs the same undo, from its journal. */
async function recoverSite(site: string): Promise<void> {
  await executeChild('recover', {
    workflowId: siteWorkflowId(site),
    args: [site],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Recover ${site}`,
  }).catch((error: unknown) => {
    // A task started directly in between runs the same recovery before its own preflight.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError) && !(error instanceof ChildWorkflowFailure))
      throw error;
  });
}

function queueFull(site: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'SiteBusy',
    message: `${site} is busy: ${MAXIMUM_WAITING} tasks wait for it already`,
    details: [{ site }],
    nonRetryable: true,
  });
}

function siteBusy(site: string, held: Busy): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'SiteBusy',
    message: `${site} is busy: ${held.task} by ${held.who} since ${held.since}`,
    details: [{ ...held, site }],
    nonRetryable: true,
  });
}
