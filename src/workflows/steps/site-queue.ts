import { siteWorkflowId, taskIdOf } from '../../contract/names';
import type { Busy, Requester, SubmitRequest, Ticket } from '../../contract/tasks';
import type { KeptTask, QueueState, QueuedTask } from './queued-task';

/** How many may wait for one site: all of them fit into one payload, of 2 MB, that one run hands to the next. */
export const MAXIMUM_WAITING = 100;
/** How many workflows are told of the end of one task; others ask for it now and then. */
const MAXIMUM_REQUESTERS = 5;

/**
 * The queue in front of a site: who runs, who waits, who was refused. It has no clock and waits for nothing; the workflow
 * `turns` tells it what happened, and asks it what comes next.
 */
export class SiteQueue {
  private readonly waiting: QueuedTask[];
  /** Tasks of this run by request key, so that a repeated submit is the same task. */
  private readonly byKey = new Map<string, QueuedTask>();
  private readonly ids: Set<string>;
  private readonly ended = new Set<string>();
  private readonly refused = new Map<string, Busy>();
  /** Submits that no worker answered in time. Temporal delivers them late, and nobody counts on them any more. */
  private readonly withdrawn = new Set<string>();
  /** Tasks that gave their turn up, by the runs that had asked for them. */
  private readonly givenUp = new Map<string, string>();
  /** Submits that were answered, or are being answered. */
  private readonly answered = new Set<string>();
  private runs: QueuedTask | null = null;
  private runId: string | null = null;
  /** The task that is being started now, before it is known whether the site is free. */
  private starts: QueuedTask | null = null;
  /** The time of the next id at least, ms: ids stay in order also when the clock of Temporal goes back. */
  private earliest = 0;

  /** `waiting`: those a run before this one has left. */
  constructor(
    private readonly site: string,
    waiting: readonly QueuedTask[],
  ) {
    this.waiting = [...waiting];
    this.ids = new Set(waiting.map(({ task }) => task));
    for (const queued of waiting) this.remember(queued);
  }

  /** What the next run begins with. */
  get state(): QueueState {
    return { waiting: this.waiting };
  }

  get running(): QueuedTask | null {
    return this.runs;
  }

  /** The workflow run of the task that runs. */
  get runningRun(): string | null {
    return this.runId;
  }

  /** The task of which it is not known yet whether the site is free for it. */
  get starting(): QueuedTask | null {
    return this.starts;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  get isFull(): boolean {
    return this.waiting.length >= MAXIMUM_WAITING;
  }

  /** Who keeps others waiting; null where nobody does. */
  get holder(): Busy | null {
    const queued = this.runs ?? this.starts ?? this.waiting[0];
    if (!queued) return null;
    const { task, request, submitted } = queued;
    return { task, type: request.type, who: request.input.who ?? 'unknown', since: submitted };
  }

  /** A submit that nobody answered in time, and that is not to be answered late. */
  withdraw(updateId: string): void {
    this.withdrawn.add(updateId);
  }

  isWithdrawn(updateId: string): boolean {
    return this.withdrawn.has(updateId);
  }

  /** A submit that is being answered: nobody keeps it besides. */
  answer(updateId: string): void {
    this.answered.add(updateId);
  }

  /** Whoever reaches it for a submit gets no second task for it, whether that was answered meanwhile or is full. */
  keep({ task, request, submitted, updateId }: KeptTask): void {
    if (this.answered.has(updateId)) return;
    this.withdrawn.add(updateId);
    const { requestKey } = request.input;
    if (this.isFull || this.ids.has(task) || (requestKey && this.byKey.has(requestKey))) return;
    this.ids.add(task);
    this.append({ task, request, submitted, kept: true });
  }

  /** The task of this run that was asked for with a key. */
  taskOfKey(requestKey: string): string | undefined {
    return this.byKey.get(requestKey)?.task;
  }

  /** From now on ids name no moment before this one, ms. */
  idsFrom(time: number): void {
    this.earliest = Math.max(this.earliest, time);
  }

  /** Takes a request in, as the last one, under an id of its own. A workflow that asked is told of its end. */
  add(request: SubmitRequest, now: Date, requester?: Requester): QueuedTask {
    const asked = requester === undefined ? {} : { requesters: [requester] };
    return this.append({ task: this.newId(request, now), request, submitted: now.toISOString(), ...asked });
  }

  /** The task a workflow has asked for, and that has not ended; undefined where there is none. */
  taskOfRequester({ runId }: Requester): string | undefined {
    return this.known().find(({ requesters }) => requesters?.some((one) => one.runId === runId))?.task;
  }

  /** A workflow that asked for a task which others have asked for is told of its end too. False for one that has ended, or has too many. */
  join(task: string, requester: Requester): boolean {
    const queued = this.known().find((one) => one.task === task);
    if (queued === undefined) return false;
    const others = (queued.requesters ?? []).filter(({ runId }) => runId !== requester.runId);
    if (others.length >= MAXIMUM_REQUESTERS) return false;
    queued.requesters = [...others, requester];
    return true;
  }

  /** What is told to whoever asked for a task that is taken in. */
  ticket(task: string): Ticket {
    return {
      task,
      workflowId: siteWorkflowId(this.site),
      waiting: this.waiting.some((queued) => queued.task === task),
    };
  }

  /** Takes back a task that waits; null where it does not, or no longer. */
  giveUp(task: string): QueuedTask | null {
    const place = this.waiting.findIndex((queued) => queued.task === task);
    const [queued] = place === -1 ? [] : this.waiting.splice(place, 1);
    if (queued) this.forget(queued);
    for (const { runId } of queued?.requesters ?? []) this.givenUp.set(runId, task);
    return queued ?? null;
  }

  /** The task of a workflow whose turn was given up: asked for once more at that moment, it is not taken in again. */
  givenUpOf({ runId }: Requester): string | undefined {
    return this.givenUp.get(runId);
  }

  /** Takes out whose turn it is. */
  next(): QueuedTask | undefined {
    return this.waiting.shift();
  }

  /** It is tried whether the site is free for it. */
  start(queued: QueuedTask): void {
    this.starts = queued;
  }

  /** The workflow run of the task that was being started; null where somebody else has the site. */
  started(runId: string | null): void {
    this.runs = runId === null ? null : this.starts;
    this.runId = runId;
    this.starts = null;
  }

  /** The task that ran has ended. */
  end({ task }: QueuedTask): void {
    this.ended.add(task);
    this.runs = null;
    this.runId = null;
  }

  /** Somebody else had the site: an accepted task is never lost, and is the next again. */
  putBack(queued: QueuedTask): void {
    this.waiting.unshift(queued);
  }

  /** Somebody else has the site, and the task was not to wait. Those asked to wait behind it still do. */
  refuse(queued: QueuedTask, busy: Busy): void {
    this.forget(queued);
    this.refused.set(queued.task, busy);
  }

  /** Whether it is known of a task that does not wait if it was started. */
  isDecided(queued: QueuedTask): boolean {
    return this.runs === queued || this.ended.has(queued.task) || this.refused.has(queued.task);
  }

  /** Who had the site when a task was refused; null for one that was not. */
  refusalOf({ task }: QueuedTask): Busy | null {
    return this.refused.get(task) ?? null;
  }

  /** How long another queue of this site could still give an id that this one has given, ms; 0 or less when it cannot. */
  idsTakenFor(now: Date): number {
    return Math.min(SECOND_MS, this.earliest - (this.earliest % SECOND_MS) + SECOND_MS - now.getTime());
  }

  /** Those that have not ended. */
  private known(): QueuedTask[] {
    return [...this.waiting, ...(this.starts ? [this.starts] : []), ...(this.runs ? [this.runs] : [])];
  }

  private append(queued: QueuedTask): QueuedTask {
    this.remember(queued);
    this.waiting.push(queued);
    return queued;
  }

  private remember(queued: QueuedTask): void {
    const { requestKey } = queued.request.input;
    if (requestKey) this.byKey.set(requestKey, queued);
  }

  private forget({ request }: QueuedTask): void {
    if (request.input.requestKey) this.byKey.delete(request.input.requestKey);
  }

  private newId({ type }: SubmitRequest, now: Date): string {
    this.idsFrom(now.getTime());
    const base = taskIdOf(this.site, type, new Date(this.earliest));
    let id = base;
    for (let count = 1; this.ids.has(id); count += 1) id = `${base}_${count}`;
    this.ids.add(id);
    return id;
  }
}

/** Ids name seconds. */
const SECOND_MS = 1000;
