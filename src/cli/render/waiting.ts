import type { RunningStep } from '../../client';
import { isUndoName, sentenceOf } from '../../contract/steps';
import { type StepPause, pausedText, unpauseCommand } from '../../contract/step-pause';
import type { Ticket } from '../../contract/tasks';
import type { Outlook, PausedStep } from '../../operations/follow-task';

/** The task that is followed, and its workflow. */
type Followed = Pick<Ticket, 'task' | 'workflowId'>;

/**
 * What a step that failed waits for, until when, and what `kedge cancel` would do about it; null for one that has not
 * failed. `journal` is that of its task, undefined while it has none.
 */
export function waitingText(task: string, step: RunningStep, journal: Outlook | undefined): string | null {
  if (step.lastFailure === null) return null;
  return `${failureText(step.step, step.lastFailure)} ${next(task, journal)}`;
}

/** Which step failed, and why. */
export function failureText(step: string, why: string): string {
  return `"${sentenceOf(step)}" failed: ${withoutDot(why)}.`;
}

/** What a command ends with whose task goes on trying, and needs somebody: which step cannot finish, why, and what to do. */
export function stuckText(task: string, step: string, why: string | null): string {
  const reason = why === null ? `"${sentenceOf(step)}" neither ends nor fails: it hangs.` : failureText(step, why);
  return `${stuckNameOf(task, step)} cannot finish: ${reason} It goes on trying; look now: \`kedge log ${task}\``;
}

/** What of a task cannot finish: its undo, or what follows its commit point. */
export function stuckNameOf(task: string, step: string): string {
  return isUndoName(step) ? `undo of ${task}` : task;
}

/** Who paused a step, how it goes on, and what happens otherwise. `journal` as for {@link waitingText}. */
export function pausedStepNote(followed: Followed, step: PausedStep, journal: Outlook | undefined): string {
  const failed = step.lastFailure === null ? '' : ` Its last attempt failed: ${withoutDot(step.lastFailure)}.`;
  return `${pausedStepText(followed.workflowId, step.step, step.paused)}.${failed} ${next(followed.task, journal, true)}`;
}

/** Who paused a step, and how it goes on, without a full stop. */
export function pausedStepText(workflowId: string, step: string, pause: StepPause): string {
  return `${step} is ${pausedText(pause)}; unpause it in the Temporal Web UI, or by \`${unpauseCommand(workflowId, step)}\``;
}

/** `paused`: it is not tried again before somebody unpauses it. */
function next(task: string, journal: Outlook | undefined, paused = false): string {
  if (journal?.undoing)
    return paused
      ? `Undo goes on then; \`kedge cancel\` changes nothing, \`kedge abandon ${task}\` gives it up.`
      : `Undo goes on until it succeeds; \`kedge cancel\` changes nothing, \`kedge abandon ${task}\` gives it up.`;
  if (journal?.committed)
    return `${paused ? 'The task goes on then' : 'It is tried until it succeeds'}; the restored site is live, \`kedge cancel\` changes nothing.`;
  const meanwhile = paused ? 'It waits' : 'It is tried again';
  const cancel = `\`kedge cancel ${task}\` ends it now and puts the site back as it was.`;
  const { maintenance } = journal ?? {};
  if (!maintenance || maintenance.foundOn || maintenance.ended !== null) return `${meanwhile}; ${cancel}`;
  return `${meanwhile} until ${maintenance.deadline.slice(11, 19)} UTC, when the task undoes; ${cancel}`;
}

function withoutDot(text: string): string {
  return text.replace(/\.$/, '');
}
