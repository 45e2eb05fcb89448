import { ERROR_CODES, isErrorCode } from '../../contract/error-codes';
import { type TaskType, WORKFLOW_TYPES, isTaskIdOf, siteOfTask } from '../../contract/names';
import type { Journal } from '../tasks/journal';
import { isUnreadable } from '../tasks/state-file';
import type { Seen } from './settle';

/** What of the journals is looked at. */
export interface TasksOfMaster {
  all(): Promise<string[]>;
  find(task: string): Promise<Journal | undefined>;
}

export interface EndedTasks {
  /** The newest task of each site and type that nobody has to look at any more. */
  readonly looked: Readonly<Record<string, string>>;
  /** What came of those that ended since, in their order. */
  readonly seen: readonly Seen[];
}

/**
 * What came of the tasks that ended since the last look. `looked`: of that look; null for the first one, which looks at nothing that
 * had ended before anybody was to be told. Tasks of one type on one site end in the order of their ids. A journal that cannot be read is passed over.
 */
export async function lookAtEndedTasks(
  tasks: TasksOfMaster,
  looked: Readonly<Record<string, string>> | null,
): Promise<EndedTasks> {
  const next: Record<string, string> = {};
  const seen: Seen[] = [];
  for (const [key, ids] of await idsByKind(tasks)) {
    const before = looked === null ? await newestEnded(tasks, ids) : looked[key];
    if (before !== undefined) next[key] = before;
    if (looked === null) continue;
    for (const id of ids.filter((each) => before === undefined || each > before)) {
      const journal = await findReadable(tasks, id);
      if (journal?.outcome === null) break;
      next[key] = id;
      if (journal) seen.push(...whatCameOf(journal, journal.outcome));
    }
  }
  return { looked: next, seen };
}

async function newestEnded(tasks: TasksOfMaster, ids: readonly string[]): Promise<string | undefined> {
  for (const id of [...ids].reverse()) if ((await findReadable(tasks, id))?.outcome !== null) return id;
  return undefined;
}

/** Ids of tasks, oldest first, by site and type. */
async function idsByKind(tasks: TasksOfMaster): Promise<Map<string, string[]>> {
  const kinds = new Map<string, string[]>();
  for (const id of await tasks.all()) {
    const site = siteOfTask(id);
    const type = WORKFLOW_TYPES.find((one) => site !== undefined && isTaskIdOf(id, site, one));
    if (type === undefined) continue;
    const key = `${site}/${type}`;
    const ids = kinds.get(key);
    if (ids) ids.push(id);
    else kinds.set(key, [id]);
  }
  return kinds;
}

async function findReadable(tasks: TasksOfMaster, id: string): Promise<Journal | undefined> {
  return tasks.find(id).catch((error: unknown) => {
    if (!isUnreadable(error)) throw error;
    return undefined;
  });
}

/** Types that are asked for again and again by a clock: that they go on failing alike is one state. Others fail by themselves each time. */
const REPEATED: readonly TaskType[] = ['backup', 'verify'];

function whatCameOf({ task, site, type }: Journal, outcome: NonNullable<Journal['outcome']>): Seen[] {
  const key = `task/${site}/${type}`;
  switch (outcome.status) {
    case 'done':
      return [{ key, over: `a ${type} of ${site} ended well again`, task }];
    case 'failed':
    case 'recovered': {
      const { status, code, message, ended } = outcome;
      const event = status === 'failed' ? 'task-failed' : 'task-recovered';
      return [
        {
          key,
          condition: {
            ...{ event, site, task, code },
            message: `${type} of ${site} ${status === 'failed' ? 'failed' : 'was put back'}: ${message ?? 'no reason was noted'}`,
            hint: `${hintOf(code)}\`kedge log ${task}\` tells all of it.`,
            since: ended,
            identity: REPEATED.includes(type) ? `${status} ${code}` : task,
          },
        },
      ];
    }
    // Somebody did it.
    case 'cancelled':
    case 'abandoned':
      return [];
  }
}

function hintOf(code: string | null): string {
  return isErrorCode(code) ? `${ERROR_CODES[code].hint} ` : '';
}
