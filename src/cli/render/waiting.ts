import type { RunningStep } from '../../client';
import type { Outlook } from '../../operations/follow-task';

/**
 * What a step that failed waits for, until when, and what `kedge cancel` would do about it; null for one that has not
 * failed. `journal` is that of its task, undefined while it has none.
 */
export function waitingText(task: string, step: RunningStep, journal: Outlook | undefined): string | null {
  if (step.lastFailure === null) return null;
  return `${step.step} failed: ${withoutDot(step.lastFailure)}. ${next(task, journal)}`;
}

function next(task: string, journal: Outlook | undefined): string {
  if (journal?.undoing)
    return `Undo goes on until it succeeds; \`kedge cancel\` changes nothing, \`kedge abandon ${task}\` gives it up.`;
  if (journal?.committed)
    return 'It is tried until it succeeds; the restored site is live, `kedge cancel` changes nothing.';
  const cancel = `\`kedge cancel ${task}\` ends it now and puts the site back as it was.`;
  const { maintenance } = journal ?? {};
  if (!maintenance || maintenance.foundOn || maintenance.ended !== null) return `It is tried again; ${cancel}`;
  return `It is tried again until ${maintenance.deadline.slice(11, 19)} UTC, when the task undoes; ${cancel}`;
}

function withoutDot(text: string): string {
  return text.replace(/\.$/, '');
}
