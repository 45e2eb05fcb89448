import { KedgeError } from '../../contract/errors';
import { siteWorkflowId } from '../../contract/names';
import {
  STEPS,
  type StepName,
  UNDOS,
  type UndoName,
  isStepName,
  mayBeLeftOut,
  planOf,
  runSideBySide,
} from '../../contract/steps';
import type { Journal } from './journal';

/*
 * What a task may do next, by its journal alone. Whoever reaches Temporal can start any workflow, answer for a running one
 * and complete what is not done: no word of a caller counts here but the ids that the server itself gives.
 */

/** The workflow run on whose behalf an activity was called, as the Temporal server says. */
export interface Caller {
  readonly workflowId: string;
  readonly runId: string;
}

/** @throws KedgeError WorkflowIdRefused for a workflow that does not hold the site of the task */
export function assertHoldsSite(journal: Journal, { workflowId }: Caller): void {
  if (workflowId === siteWorkflowId(journal.site) && workflowId === journal.workflowId) return;
  throw new KedgeError(
    'WorkflowIdRefused',
    `a step of ${journal.task} was called by the workflow ${workflowId}, not by ${siteWorkflowId(journal.site)}`,
    { site: journal.site, state: 'the call changed nothing' },
  );
}

/** @throws KedgeError WorkflowIdRefused, TaskWasReset for another run, or when the task is closed */
export function assertOwn(journal: Journal, caller: Caller): void {
  assertHoldsSite(journal, caller);
  if (journal.runId === caller.runId && journal.outcome === null) return;
  const { task, runId, outcome, site } = journal;
  const message =
    journal.runId === caller.runId
      ? `task ${task} is closed: ${outcome?.status}`
      : `task ${task} belongs to run ${runId}, not to ${caller.runId}: it was reset in Temporal, or its id was used again`;
  throw new KedgeError('TaskWasReset', message, {
    site,
    hint: `Start the task anew${commandOf(journal)}; what the earlier run made is undone.`,
  });
}

/** What a person runs for the same once more, as part of a sentence; empty where he has to say more than the journal knows. */
function commandOf({ type, site, source }: Journal): string {
  if (type === 'deploy' || (type === 'restore' && !source)) return '';
  return `: \`kedge ${type} ${site}${type === 'restore' ? ` ${source?.id}` : ''}\``;
}

/** @throws KedgeError TaskSuperseded once undo has begun; StepRefused behind the commit point */
export function assertForward(journal: Journal): void {
  if (journal.undoing) {
    throw new KedgeError('TaskSuperseded', `task ${journal.task} is being undone`, { site: journal.site });
  }
  if (journal.committed) throw refused(journal, 'it has passed its commit point');
}

/**
 * Sees to it that a step is next: every step before it in the plan of the task is done, and none behind it has begun. The
 * newest step may begin again: an attempt of it was given up, or its answer was lost.
 * @throws KedgeError StepRefused
 */
export function assertNextStep(journal: Journal, step: StepName): void {
  // A Kedge that did not note what is done has begun this task; its workflow keeps the order.
  if (journal.steps === null) return;
  const plan = planOfJournal(journal);
  const place = plan.indexOf(step);
  if (place === -1) throw refused(journal, `${step} is no step of this ${journal.type}`);
  const waitsFor = plan.slice(0, place).find((earlier) => isLacking(journal, earlier) && !runSideBySide(earlier, step));
  if (waitsFor !== undefined) throw refused(journal, `${step} was called before ${waitsFor} was done`);
  const later = plan.slice(place + 1).find((each) => hasBegun(journal, each) && !runSideBySide(each, step));
  if (later !== undefined) throw refused(journal, `${step} was called after ${later} had begun`);
}

/**
 * Sees to it that a task may pass its commit point, or has passed it.
 * @throws KedgeError TaskWasReset, TaskSuperseded, StepRefused, WorkflowIdRefused
 */
export function assertCommit(journal: Journal, caller: Caller): void {
  if (journal.committed) return;
  assertOwn(journal, caller);
  assertForward(journal);
  assertNextStep(journal, 'commitSwitch');
}

/** Sees to it that a step behind the commit point may run. @throws KedgeError StepRefused */
export function assertFinishing(journal: Journal, step: string): void {
  if (!journal.committed) throw refused(journal, `${step} was called before commitSwitch was done`);
}

/** As {@link assertFinishing}, for steps that end backups too, behind the publishing. @throws KedgeError StepRefused */
export function assertFinishingTask(journal: Journal, step: string): void {
  if (journal.type !== 'backup') assertFinishing(journal, step);
  else if (!journal.backup?.published) throw refused(journal, `${step} was called before publishBackup was done`);
}

/** Sees to it that the account of the site can write again, before the site is shown. @throws KedgeError StepRefused */
export function assertFenceLifted(journal: Journal): void {
  if (journal.fence && !journal.fence.lowered) throw refused(journal, 'the account of the site is locked for it still');
}

/**
 * Sees to it that a task may be closed: as done when its plan is complete, else when everything was taken back; and never
 * while it keeps the site from its visitors.
 * @throws KedgeError StepRefused
 */
export function assertClosable(journal: Journal, status: NonNullable<Journal['outcome']>['status']): void {
  const { maintenance, committed } = journal;
  if (maintenance && maintenance.ended === null) throw refused(journal, 'the site is in maintenance for it still');
  // Behind the commit the account of before stays locked: it is dropped, or kept so.
  if (committed) return;
  assertFenceLifted(journal);
  if (status === 'done') {
    assertComplete(journal);
    return;
  }
  const [undo] = pendingUndos(journal);
  if (undo !== undefined) throw refused(journal, `${undo} is not done`);
}

/** What is to be taken back before a task that did not come to its end may be closed, newest first. */
export function pendingUndos(journal: Journal): UndoName[] {
  const { undone, steps, backup } = journal;
  if (undone === null || steps === null) return [];
  const pending = new Set<UndoName>();
  for (const step of planOfJournal(journal)) {
    const { undoneBy } = STEPS[step];
    if (undoneBy === null || !hasBegun(journal, step) || undone.includes(undoneBy)) continue;
    // A published backup stays.
    if (undoneBy !== 'discardUnpublished' || !backup?.published) pending.add(undoneBy);
  }
  return UNDOS.toReversed().filter((undo) => pending.has(undo));
}

function assertComplete(journal: Journal): void {
  if (journal.type === 'restore' || journal.type === 'deploy') throw refused(journal, 'commitSwitch is not done');
  if (journal.type === 'backup' && !journal.backup?.published) throw refused(journal, 'publishBackup is not done');
  if (journal.steps === null) return;
  const lacking = planOfJournal(journal).find((step) => isLacking(journal, step));
  if (lacking !== undefined) throw refused(journal, `${lacking} is not done`);
}

function planOfJournal({ type, accepted, target }: Journal): StepName[] {
  const hooks = Object.keys(target?.hooks ?? {}) as (keyof NonNullable<typeof target>['hooks'])[];
  return planOf({ type, quiesce: accepted?.quiesce ?? false, hooks });
}

function hasBegun({ steps }: Journal, step: StepName): boolean {
  return steps?.[step] !== undefined;
}

function isLacking(journal: Journal, step: StepName): boolean {
  const isLeftOut = mayBeLeftOut(step) && !hasBegun(journal, step);
  return journal.steps?.[step]?.done !== true && !isLeftOut;
}

/** @throws KedgeError StepRefused for a name that is no step */
export function stepNamed(journal: Journal, name: string): StepName {
  if (isStepName(name)) return name;
  throw refused(journal, `${name} is no step`);
}

/** What is told to whoever asks for what is not next. */
export function refused({ task, site }: Journal, why: string): KedgeError {
  return new KedgeError('StepRefused', `a call of ${task} was refused: ${why}`, {
    site,
    state: 'the call changed nothing',
  });
}
