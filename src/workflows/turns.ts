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
  patched,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  DEFAULT_DESCRIPTION,
  GIVE_UP_UPDATE,
  KEEP_SIGNAL,
  SUBMIT_UPDATE,
  type TaskType,
  WITHDRAW_SIGNAL,
  secondOfTask,
  siteWorkflowId,
  taskIdOf,
  turnsWorkflowId,
} from '../contract/names';
import { markdownText } from '../contract/printable';
import type { Busy, KeptRequest, SubmitRequest, Ticket } from '../contract/tasks';
import { glancing, reading } from './options';
import { MAXIMUM_WAITING, acceptKept, acceptRequest, acceptSite, acceptTurnsState } from './steps/input';
import type { Turn, TurnsState } from './steps/turn';

const submit = defineUpdate<Ticket, [SubmitRequest]>(SUBMIT_UPDATE);
const giveUp = defineUpdate<boolean, [string]>(GIVE_UP_UPDATE);
const withdraw = defineSignal<[string]>(WITHDRAW_SIGNAL);
const keep = defineSignal<[KeptRequest]>(KEEP_SIGNAL);

/**
 * The queue in front of a site. Callers reach it by update-with-start: it gives the turn, answers that the site is busy,
 * or keeps the turn until the site is free. It ends when nobody waits.
 */
export async function turns(site: string, state?: TurnsState): Promise<void> {
  acceptSite(site, 'queue', turnsWorkflowId);
  const { waiting } = acceptTurnsState(site, state);
  /** Tasks of this run by request key, so that a repeated submit is the same task. */
  const byKey = new Map<string, Turn>();
  for (const turn of waiting) if (turn.request.input.requestKey) byKey.set(turn.request.input.requestKey, turn);
  let running: Turn | null = null;
  /** The turn that is being given now, before it is known whether the site is free. */
  let starting: Turn | null = null;
  const refused = new Map<string, Busy>();

  const holder = (): Busy | null => {
    const turn = running ?? starting ?? waiting[0];
    if (!turn) return null;
    return {
      task: turn.task,
      type: turn.request.type,
      who: turn.request.input.who ?? 'unknown',
      since: turn.submitted,
    };
  };

  let asked = false;
  const ids = new Set<string>(waiting.map((turn) => turn.task));
  const ended = new Set<string>();
  /** The time of the next id at least: ids stay in order also when the clock of Temporal goes back. */
  let earliest = 0;
  let learnt: Promise<void> | undefined;
  const learnEarliest = (): Promise<void> =>
    (learnt ??= earliestId(site).then((time) => {
      earliest = Math.max(earliest, time);
    }));
  const newTaskId = (request: SubmitRequest): string => {
    earliest = Math.max(earliest, Date.now());
    const base = taskIdOf(site, request.type, new Date(earliest));
    let id = base;
    for (let count = 1; ids.has(id); count += 1) id = `${base}_${count}`;
    ids.add(id);
    return id;
  };

  /** Submits that no worker answered in time. Temporal delivers them late, and nobody counts on them any more. */
  const withdrawn = new Set<string>();
  setHandler(withdraw, (updateId: unknown) => {
    if (typeof updateId === 'string' && updateId.length <= MAXIMUM_UPDATE_ID_LENGTH) withdrawn.add(updateId);
  });

  /** Submits that were answered, or are being answered. */
  const answered = new Set<string>();
  setHandler(keep, (given: unknown) => {
    const turn = acceptKept(site, given, new Date());
    if (turn === null || answered.has(turn.updateId)) return;
    withdrawn.add(turn.updateId);
    const { requestKey } = turn.request.input;
    if (waiting.length >= MAXIMUM_WAITING || ids.has(turn.task) || (requestKey && byKey.has(requestKey))) return;
    ids.add(turn.task);
    const { task, request, submitted } = turn;
    const place: Turn = { task, request, submitted, kept: true };
    if (requestKey) byKey.set(requestKey, place);
    waiting.push(place);
  });

  setHandler(
    submit,
    async (request): Promise<Ticket> => {
      asked = true;
      answered.add(currentUpdateInfo()?.id ?? '');
      const { requestKey } = request.input;
      const asTicket = async (task: string): Promise<Ticket> => {
        await withdrawRequest(request);
        return { task, workflowId: siteWorkflowId(site), waiting: waiting.some((turn) => turn.task === task) };
      };
      if (requestKey) {
        const known =
          byKey.get(requestKey)?.task ??
          (await reading.findTaskOfRequest({ site, requestKey })) ??
          byKey.get(requestKey)?.task;
        if (known) return asTicket(known);
      }
      await learnEarliest();
      await acceptTurn(request);
      // Another submit of the same may have been accepted meanwhile.
      const meanwhile = requestKey && byKey.get(requestKey)?.task;
      if (meanwhile) return asTicket(meanwhile);
      let held = holder();
      while (held && !request.waitTurn) {
        // Whoever waited for a task knows sooner than this queue that it has ended, and may ask for the next one at once.
        const last = running;
        if (!last || (await reading.whoHoldsSite({ site }))) {
          await withdrawRequest(request);
          throw siteBusy(site, held);
        }
        await condition(() => running !== last);
        held = holder();
      }
      const turn: Turn = { task: newTaskId(request), request, submitted: new Date().toISOString() };
      if (requestKey) byKey.set(requestKey, turn);
      waiting.push(turn);
      if (request.waitTurn) return { task: turn.task, workflowId: siteWorkflowId(site), waiting: held !== null };
      // Not asked to wait: whether somebody else holds the site is known as soon as the start was tried.
      await condition(() => running === turn || ended.has(turn.task) || refused.has(turn.task));
      const busy = refused.get(turn.task);
      if (busy) {
        await withdrawRequest(request);
        throw siteBusy(site, busy);
      }
      return { task: turn.task, workflowId: siteWorkflowId(site), waiting: false };
    },
    {
      validator: (request: SubmitRequest) => {
        if (withdrawn.has(currentUpdateInfo()?.id ?? ''))
          throw ApplicationFailure.nonRetryable('the request was withdrawn, for no worker answered it', 'NoWorker');
        acceptRequest(site, request);
        if (waiting.length >= MAXIMUM_WAITING) throw queueFull(site);
        const held = holder();
        if (held && !running && !request.waitTurn && !request.input.requestKey) throw siteBusy(site, held);
      },
    },
  );

  setHandler(giveUp, async (task) => {
    const place = waiting.findIndex((turn) => turn.task === task);
    if (place === -1) return false;
    const [turn] = waiting.splice(place, 1);
    if (turn?.request.input.requestKey) byKey.delete(turn.request.input.requestKey);
    if (turn) await withdrawRequest(turn.request);
    return true;
  });

  // The first update of an update-with-start is delivered with the first task, its handler runs before this goes on.
  await condition(() => waiting.length > 0 || (asked && allHandlersFinished()), FIRST_REQUEST_MS);
  for (;;) {
    await condition(() => waiting.length > 0 || allHandlersFinished());
    const turn = waiting.shift();
    if (!turn) {
      // The next queue of this site knows nothing of the ids of this one: it is to begin in another second.
      const early = Math.min(1000, earliest - (earliest % 1000) + 1000 - Date.now());
      const askedAgain = (): boolean => waiting.length > 0 || !allHandlersFinished();
      if (early > 0 && (await condition(askedAgain, early))) continue;
      return;
    }
    if (turn.kept && (await wasCarriedOut(site, turn.request))) continue;
    starting = turn;
    const child = await startTask(site, turn).catch(async (error: unknown) => {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      return null;
    });
    starting = null;
    if (child) {
      running = turn;
      const terminated = await child.result().then(
        () => false,
        (error: unknown) => error instanceof ChildWorkflowFailure && error.cause instanceof TerminatedFailure,
      );
      if (terminated) await recoverSite(site);
      ended.add(turn.task);
      running = null;
    } else if (turn.request.waitTurn || turn.kept) {
      // Somebody started a task directly. An accepted turn is never lost: it is tried again.
      waiting.unshift(turn);
      await sleep(BUSY_RETRY_MS);
    } else {
      const busy = await reading.whoHoldsSite({ site });
      if (busy) {
        if (turn.request.input.requestKey) byKey.delete(turn.request.input.requestKey);
        refused.set(turn.task, busy);
        // Those asked to wait behind it are still in `waiting`.
      } else waiting.unshift(turn);
    }
    if (workflowInfo().continueAsNewSuggested && allHandlersFinished())
      await continueAsNew<typeof turns>(site, { waiting });
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

async function startTask(site: string, turn: Turn) {
  const { type, input } = turn.request;
  return startChild(type, {
    workflowId: siteWorkflowId(site),
    args: [{ ...input, task: turn.task }],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    // Whoever wants a site back is not to wait for what is saved.
    priority: { priorityKey: type === 'backup' ? 4 : 2 },
    memo: { task: turn.task, who: input.who ?? 'unknown' },
    staticSummary: `${type[0]?.toUpperCase()}${type.slice(1)} ${site}`,
    staticDetails: markdownText(detailsOf(type, input)),
  });
}

function detailsOf(type: TaskType, input: Turn['request']['input']): string {
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
