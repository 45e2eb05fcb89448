import { patched, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { NO_VALUE, SEARCH_ATTRIBUTES } from '../../contract/names';
import { markdownText } from '../../contract/printable';
import type { RunStatus } from '../../contract/tasks';

/** Whose site it is about: all that belongs to one is found by it. */
export const SITE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.site, 'KEYWORD');
const backup = defineSearchAttributeKey(SEARCH_ATTRIBUTES.backup, 'KEYWORD');
const trigger = defineSearchAttributeKey(SEARCH_ATTRIBUTES.trigger, 'KEYWORD');
const who = defineSearchAttributeKey(SEARCH_ATTRIBUTES.who, 'KEYWORD');
const code = defineSearchAttributeKey(SEARCH_ATTRIBUTES.code, 'KEYWORD');
const attention = defineSearchAttributeKey(SEARCH_ATTRIBUTES.attention, 'KEYWORD');

/** Every task carries every attribute, so that fleets can be filtered by their absence too. */
export function setTaskAttributes(values: { site: string; backup?: string; trigger: string; who?: string }): void {
  upsertSearchAttributes([
    { key: SITE, value: values.site },
    { key: backup, value: values.backup ?? NO_VALUE },
    { key: trigger, value: values.trigger },
    { key: attention, value: NO_VALUE },
    ...(patched(WHO_AND_CODE)
      ? [
          { key: who, value: values.who ?? NO_VALUE },
          { key: code, value: NO_VALUE },
        ]
      : []),
  ]);
}

/** Of a workflow that is no task itself. */
export function setSite(uri: string): void {
  upsertSearchAttributes([{ key: SITE, value: uri }]);
}

const WHO_AND_CODE = 'who-and-code';

/** Names the code with which a task failed. */
export function setCode(failed: string): void {
  if (patched(WHO_AND_CODE)) upsertSearchAttributes([{ key: code, value: failed }]);
}

/** Names the step that needs somebody's hand; null when it got over it. */
export function setAttention(step: string | null): void {
  upsertSearchAttributes([{ key: attention, value: step ?? NO_VALUE }]);
}

/** Names the backup a task made or goes back to. */
export function setBackupAttribute(id: string): void {
  upsertSearchAttributes([{ key: backup, value: id }]);
}

/** What is done, running and next, in Markdown, as the run's current details. */
export class Runbook {
  private readonly done: string[] = [];
  /** Steps that run, or the undo that does, and since when, ms. */
  private readonly running = new Map<string, number>();
  /** Since when visitors see the maintenance page, ms. */
  private shutSince: number | null = null;
  /** Steps that ran when the first undo began; null before that. */
  private stopped: readonly string[] | null = null;
  private readonly title: string;

  constructor(
    site: string,
    private readonly plan: readonly string[],
  ) {
    this.title = `**${workflowInfo().workflowType} ${markdownText(site)}**`;
  }

  began(step: string): void {
    this.running.set(step, Date.now());
    this.show();
  }

  ended(step: string): void {
    this.running.delete(step);
    this.done.push(step);
    if (step === 'enterMaintenance') this.shutSince = Date.now();
    if (step === 'endMaintenance') this.shutSince = null;
    this.show();
  }

  /** From the first undo on the plan no longer holds. */
  undoing(step: string): void {
    this.stopped ??= [...this.running.keys()];
    this.running.clear();
    this.running.set(step, Date.now());
    setCurrentDetails(`${this.title}\n\n- undoing: **${step}**\n${this.lines(this.done, 'done before')}`);
  }

  undone(step: string): void {
    this.running.delete(step);
    if (step === 'leaveMaintenance') this.shutSince = null;
  }

  /** A step that could not finish, and that the task goes on without. */
  gaveUp(step: string): void {
    this.running.delete(step);
  }

  /** Steps of which one failed, once it has. */
  get failedIn(): readonly string[] {
    return this.stopped ?? [...this.running.keys()];
  }

  /** How it ended, in lines of Markdown. */
  over(lines: readonly string[]): void {
    this.running.clear();
    this.shutSince = null;
    setCurrentDetails([this.title, '', ...lines, this.lines(this.done, 'done')].join('\n'));
  }

  /** For whoever asks in Temporal, see `runStatusSchema`. */
  get status(): Pick<RunStatus, 'steps' | 'maintenanceSince' | 'attention'> {
    const named = workflowInfo().typedSearchAttributes.get(attention);
    return {
      steps: [...this.running].map(([name, since]) => ({ name, since: new Date(since).toISOString() })),
      maintenanceSince: this.shutSince === null ? null : new Date(this.shutSince).toISOString(),
      attention: named === undefined || named === NO_VALUE ? null : named,
    };
  }

  private show(): void {
    const next = this.plan.filter((step) => !this.done.includes(step) && !this.running.has(step));
    setCurrentDetails(
      [
        this.title,
        '',
        this.lines(this.done, 'done'),
        this.lines(
          [...this.running.keys()].map((step) => `**${step}**`),
          'running',
        ),
        this.lines(next, 'next'),
      ]
        .filter((line) => line !== null)
        .join('\n'),
    );
  }

  private lines(steps: readonly string[], label: string): string {
    return steps.length === 0 ? '' : `- ${label}: ${steps.join(', ')}`;
  }
}
