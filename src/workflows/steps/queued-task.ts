import type { Requester, SubmitRequest } from '../../contract/tasks';

/** A task that waits for its site, or had it. */
export interface QueuedTask {
  task: string;
  request: SubmitRequest;
  submitted: string;
  /** Nobody waits for an answer: it is started whenever the site is free. */
  kept?: true;
  /** Workflows that are told of its end. */
  requesters?: Requester[];
}

/** A task that was kept until a worker came, in place of a submit that nobody answered. */
export interface KeptTask extends QueuedTask {
  updateId: string;
}

/** What a run of `turns` hands to the next one when its history grows long. */
export interface QueueState {
  waiting: QueuedTask[];
}
