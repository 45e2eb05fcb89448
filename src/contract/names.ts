/** Names that callers, workers and the Temporal Web UI share. Free of zod, so that workflow code may import its values. */

export const WORKFLOW_TYPES = ['backup', 'restore', 'deploy', 'verify'] as const;
/** The workflows that are tasks: one at a time runs on a site, under {@link siteWorkflowId}. */
export type TaskType = (typeof WORKFLOW_TYPES)[number];

/** The description of a backup nobody described. Aegir's words. */
export const DEFAULT_DESCRIPTION = 'Generated on request';
/** The description of the backup a restore makes first. Aegir's words. */
export const SAFETY_DESCRIPTION = 'Generated before being restored to a previous version';
/** What the record of a safety backup says made it. A description anybody can give. */
export const SAFETY_TRIGGER = 'restore';

/** What the first warning of a backup begins with when its definitions could not be imported where it was made. */
export const UNPROVEN = 'this backup could not be restored here';

/** A site's URI in its canonical form: host name in lower case. */
export const SITE_URI = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** `example.com-20261124.031502`, with `_1` … where two were made in one second. */
export const BACKUP_ID = /^[a-z0-9.-]+-\d{8}\.\d{6}(_\d+)?$/;

/** Update of the `turns` workflow by which every task is asked for. */
export const SUBMIT_UPDATE = 'submit';
/** Update of the `turns` workflow that gives a turn up: false when the task has its turn already, or none. */
export const GIVE_UP_UPDATE = 'giveUp';
/** Signal of `turns` with the id of a submit whose caller has gone away unanswered. */
export const WITHDRAW_SIGNAL = 'withdraw';

/**
 * Signal of `turns` with a request that is to wait until a worker comes. Unlike an update that no worker has seen, Temporal keeps
 * it, whatever happens to its server.
 */
export const KEEP_SIGNAL = 'keep';

/** Signal of `turns` by which a workflow asks for a task, see `AskedTask`: it is answered, and told of the end, by signals. */
export const ASK_SIGNAL = 'ask';
/** Signal of `turns` with the id of a task that is to stop, or to give its turn up. */
export const CANCEL_SIGNAL = 'cancel';
/** Signal by which `turns` answers a workflow that has asked, see `Answer`. */
export const ANSWERED_SIGNAL = 'answered';
/** Signal by which `turns` tells a workflow that its task has ended, see `EndedTask`. */
export const ENDED_SIGNAL = 'ended';

/** Query of a task's workflow: where it stands, see `runStatusSchema`. */
export const STATUS_QUERY = 'status';

/** Search attributes (Keyword). Every task sets each of them to a value or to {@link NO_VALUE}. */
export const SEARCH_ATTRIBUTES = {
  site: 'KedgeSite',
  backup: 'KedgeBackup',
  trigger: 'KedgeTrigger',
  who: 'KedgeWho',
  code: 'KedgeCode',
  attention: 'KedgeAttention',
} as const;
export const NO_VALUE = 'none';

/** The workflow ID that is the lock of a site: one task at a time. `site` is the canonical URI. */
export function siteWorkflowId(site: string): string {
  return `site/${site}`;
}

/** The workflow ID of the queue in front of a site. */
export function turnsWorkflowId(site: string): string {
  return `turns/${site}`;
}

/** The workflow ID under which a notice is delivered: each is started once. */
export function noticeWorkflowId(notice: string): string {
  return `notice/${notice}`;
}

/** How the queue in front of a site is started, whoever starts it. A worker that is paused loses what it is given: the next one gets it after 5 s. */
export function turnsOptions(site: string) {
  return {
    workflowId: turnsWorkflowId(site),
    args: [site] as [string],
    workflowTaskTimeout: '5 seconds',
    staticSummary: `Turns of ${site}`,
  } as const;
}

/** The task queue of a master: two masters on one namespace never take each other's work. */
export function taskQueueOf(master: string): string {
  return `kedge/${master}`;
}

/**
 * The task queue of what never waits for heavy steps: undo, what ends a task, reading and asking. Workflows of a master's queue have
 * such activities run there.
 */
export function promptQueueOf(taskQueue: string): string {
  return `${taskQueue}/prompt`;
}

/** `20261124.031502` for a time, in UTC. The form of the time in task and backup ids. */
export function timeStamp(time: Date): string {
  const [date = '', clock = ''] = time.toISOString().split('T');
  return `${date.replaceAll('-', '')}.${clock.slice(0, 8).replaceAll(':', '')}`;
}

/** The id people say for a task: `example.com-20261124.031502-restore`. */
export function taskIdOf(site: string, type: TaskType, submitted: Date): string {
  return `${site}-${timeStamp(submitted)}-${type}`;
}

const TASK_ID = /^(.+)-(\d{8}\.\d{6})-[a-z]+(?:_\d{1,6})?$/;

/** The site an id of a task names; undefined for what is no such id. */
export function siteOfTask(id: string): string | undefined {
  return TASK_ID.exec(id)?.[1];
}

/** When a task was submitted, by its id, as {@link timeStamp} says it: in the order of time. */
export function taskTime(id: string): string | undefined {
  return TASK_ID.exec(id)?.[2];
}

/** The second of a task's id, ms since 1970; undefined for what is no such id. */
export function secondOfTask(id: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)\.(\d\d)(\d\d)(\d\d)$/.exec(taskTime(id) ?? '') ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** True for an id that a task of this type on this site may have: it names the task's journal. */
export function isTaskIdOf(id: string, site: string, type: TaskType): boolean {
  const named = /^\d{8}\.\d{6}-([a-z]+)(_\d{1,6})?$/.exec(id.slice(site.length + 1))?.[1];
  return id.startsWith(`${site}-`) && named === type;
}
