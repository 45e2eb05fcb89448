import { z } from 'zod';
import type { TaskType } from '../../contract/names';
import { type TaskLogs, taskLogLineSchema } from '../tasks/task-log';

/** What a step took in an earlier task. */
export interface StepDuration {
  readonly step: string;
  readonly durationMs: number;
  /** Bytes it moved; absent for steps that move none. */
  readonly bytes?: number;
}

const doneLine = taskLogLineSchema.extend({
  event: z.literal('done'),
  durationMs: z.number().nonnegative(),
  bytes: z.number().nonnegative().optional(),
});

/** How many tasks are looked at: the newest say most. */
const MAXIMUM_TASKS = 10;

/**
 * What the steps of the newest tasks of a type took, from their logs: those of the site, or, when it had none, those of
 * any site. `tasks` are ids, as `Journals.all` lists them.
 */
export async function readDurations(
  logs: TaskLogs,
  tasks: readonly string[],
  site: string,
  type: TaskType,
): Promise<StepDuration[]> {
  const ofType = tasks
    .filter((task) => new RegExp(`-\\d{8}\\.\\d{6}-${type}(_\\d+)?$`).test(task))
    .sort(byTime)
    .reverse();
  const own = await read(logs, ofType.filter((task) => siteOf(task) === site).slice(0, MAXIMUM_TASKS));
  return own.length > 0 ? own : read(logs, ofType.slice(0, MAXIMUM_TASKS));
}

async function read(logs: TaskLogs, tasks: readonly string[]): Promise<StepDuration[]> {
  const found: StepDuration[] = [];
  for (const task of tasks) {
    for (let offset = 0, next = -1; offset !== next;) {
      if (next >= 0) offset = next;
      const read = await logs.read(task, offset);
      next = read.next;
      for (const line of read.lines) {
        const { data } = doneLine.safeParse(line);
        if (data)
          found.push({
            step: data.step,
            durationMs: data.durationMs,
            ...(data.bytes === undefined ? {} : { bytes: data.bytes }),
          });
      }
    }
  }
  return found;
}

function siteOf(task: string): string {
  return task.replace(/-\d{8}\.\d{6}-[a-z]+(_\d+)?$/, '');
}

function byTime(a: string, b: string): number {
  const time = (task: string): string => /\d{8}\.\d{6}(?=-[a-z]+(?:_\d+)?$)/.exec(task)?.[0] ?? '';
  return time(a).localeCompare(time(b));
}
