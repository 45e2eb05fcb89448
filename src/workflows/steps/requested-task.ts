import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { TypedSearchAttributes, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ANSWERED_SIGNAL,
  ASK_SIGNAL,
  CANCEL_SIGNAL,
  ENDED_SIGNAL,
  isTaskIdOf,
  turnsOptions,
  turnsWorkflowId,
} from '../../contract/names';
import type { Answer, AskedTask, EndedTask, Refusal, SubmitRequest, TaskOutcome, Ticket } from '../../contract/tasks';
import { reading } from '../options';
import { SITE } from './visibility';

const answered = defineSignal<[Answer]>(ANSWERED_SIGNAL);
const ended = defineSignal<[EndedTask]>(ENDED_SIGNAL);
const ask = defineSignal<[AskedTask]>(ASK_SIGNAL);
const cancel = defineSignal<[string]>(CANCEL_SIGNAL);

/**
 * A task that this workflow has the queue of its site carry out. Queue and workflow speak by signals: nobody who waits holds a
 * place in a worker. Should the queue be terminated, it is asked again: what it had taken in is found by its request key.
 */
export class RequestedTask {
  private ticket: Ticket | null = null;
  private refusal: Refusal | null = null;
  private end: EndedTask | null = null;
  private cancelling = false;
  private readonly site: string;

  /** `onTicket`: called when the task is taken in. */
  constructor(
    private readonly request: SubmitRequest,
    onTicket: (ticket: Ticket) => void,
  ) {
    this.site = request.input.site;
    // Whoever reaches Temporal can send these: what a task came to, the master alone is asked.
    setHandler(answered, (answer: Partial<Extract<Answer, { ticket: Ticket }> & { refused: Refusal }> | undefined) => {
      const { ticket, refused } = answer ?? {};
      if (ticket && isTaskIdOf(String(ticket.task), this.site, request.type)) {
        if (this.ticket === null) onTicket(ticket);
        this.ticket = ticket;
      } else if (refused) this.refusal = refused;
    });
    // Several may come, in any order: the one that says more counts.
    setHandler(ended, (end: EndedTask | undefined) => {
      if (end && (this.end === null || end.neverBegan === true || end.runId !== null)) this.end = end;
    });
  }

  /** Has it carried out, and waits for its end. Cancelled, it stops the task, and waits until that is undone. */
  async outcome(): Promise<TaskOutcome> {
    try {
      return await this.ended();
    } catch (error) {
      if (!isCancellation(error)) throw error;
      return CancellationScope.nonCancellable(async () => {
        this.cancelling = true;
        return this.ended();
      });
    }
  }

  private async ended(): Promise<TaskOutcome> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      await this.ask();
      await condition(() => this.isAnswered, pause, { summary: 'Ask the queue of the site again' });
      if (this.cancelling && this.ticket) await this.tellQueue(cancel, this.ticket.task);
      await condition(() => this.end !== null || this.isRefused, pause, {
        summary: 'Look whether the task has ended',
      });
      if (this.isRefused && this.refusal) return { failed: this.refusal };
      const told = this.end;
      const outcome = await this.find(told);
      if (outcome !== null) return outcome;
      // Nothing is known of it yet, unless more was told meanwhile.
      if (this.end === told) this.end = null;
    }
  }

  /** A refusal behind a ticket is an answer to having been asked again. */
  private get isRefused(): boolean {
    return this.ticket === null && this.refusal !== null;
  }

  private get isAnswered(): boolean {
    return this.ticket !== null || this.refusal !== null;
  }

  private async find(told: EndedTask | null): Promise<TaskOutcome | null> {
    if (this.ticket === null) return null;
    const { task } = this.ticket;
    const end = told?.task === task ? told : null;
    if (end?.neverBegan) return { failed: gaveUp(task, this.site) };
    return reading.findOutcome({ site: this.site, task, runId: end?.runId ?? null });
  }

  private async ask(): Promise<void> {
    const { workflowId, runId } = workflowInfo();
    await this.tellQueue(ask, { request: this.request, requester: { workflowId, runId } });
  }

  /** Starts the queue where it is idle. It may end in the very moment it is told: then a new one is started. */
  private async tellQueue<Told>(definition: ReturnType<typeof defineSignal<[Told]>>, told: Told): Promise<void> {
    for (;;) {
      await startQueue(this.site);
      const isTold = await getExternalWorkflowHandle(turnsWorkflowId(this.site))
        .signal(definition, told)
        .then(
          () => true,
          (error: unknown) => {
            if (isCancellation(error)) throw error;
            return false;
          },
        );
      if (isTold) return;
      await sleep(TELL_AGAIN_AFTER_MS, { summary: 'Tell the queue again' });
    }
  }
}

/** From one time the queue is asked to the next, longer each time. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
const TELL_AGAIN_AFTER_MS = 200;

async function startQueue(site: string): Promise<void> {
  await startChild('turns', {
    ...turnsOptions(site),
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    typedSearchAttributes: new TypedSearchAttributes([{ key: SITE, value: site }]),
  }).catch((error: unknown) => {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  });
}

function gaveUp(task: string, site: string): Refusal {
  return { code: 'Cancelled', message: `${task} gave its turn up`, details: { site, state: 'the site is unchanged' } };
}
