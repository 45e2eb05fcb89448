import type { SubmitRequest } from '../../contract/tasks';

/** Somebody's place in the queue of a site. */
export interface Turn {
  task: string;
  request: SubmitRequest;
  submitted: string;
  /** Nobody waits for an answer: it is given its turn whenever the site is free. */
  kept?: true;
}

/** What a run of `turns` hands to the next one when its history grows long. */
export interface TurnsState {
  waiting: Turn[];
}
