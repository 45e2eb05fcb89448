import { printable } from './printable';
import { timeText } from './units';

/** A step that somebody paused in Temporal: no attempt of it begins before it is unpaused. */
export interface StepPause {
  /** Whoever did it, by the name he gave himself; null where Temporal does not tell. */
  readonly by: string | null;
  /** The reason that was given; null without one. */
  readonly why: string | null;
  /** ISO 8601; null where Temporal does not tell. */
  readonly since: string | null;
}

/** `paused in Temporal by anna@desk since 2026-11-24 03:15:02 UTC ("the disk is being moved")` */
export function pausedText({ by, why, since }: StepPause): string {
  return [
    'paused in Temporal',
    ...(by === null ? [] : [`by ${printable(by)}`]),
    ...(since === null ? [] : [`since ${timeText(since)}`]),
    ...(why === null ? [] : [`("${printable(why)}")`]),
  ].join(' ');
}

/** The command that lets the step go on. */
export function unpauseCommand(workflowId: string, step: string): string {
  return `temporal activity unpause --workflow-id ${workflowId} --activity-type ${step}`;
}
