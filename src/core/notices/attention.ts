import type { KedgeError } from '../../contract/errors';
import type { Journal } from '../tasks/journal';
import type { NoticeStates } from './notice-states';
import type { Seen } from './settle';

/** Why an open task does not go on by itself. */
export interface Trouble {
  /** A code of docs/errors.md, where one is known. */
  readonly code: string | null;
  readonly message: string;
}

/** What of the journals is looked at, and what Temporal says of an open task: null for one that goes on, undefined where it does not say. */
export interface OpenTasks {
  open(): Promise<readonly Journal[]>;
  unreadable(): Promise<ReadonlyMap<string, KedgeError>>;
  troubleOf(journal: Journal): Promise<Trouble | null | undefined>;
}

/** Which open tasks need a person, and which of those that needed one do not any more. `siteOf`: of a task, by its id. */
export async function lookForAttention(
  tasks: OpenTasks,
  standing: NoticeStates['standing'],
  { siteOf, now }: { readonly siteOf: (task: string) => string | null; readonly now: Date },
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const judged = new Set<string>();
  const say = (task: string, site: string | null, { code, message }: Trouble, hint: string): void => {
    const condition = { event: 'task-attention', site, task, code, message, hint, since: now.toISOString() } as const;
    seen.push({ key: keyOf(task), condition: { ...condition, identity: code ?? '' } });
  };
  for (const [task, { code, message, hint }] of await tasks.unreadable()) {
    judged.add(keyOf(task));
    say(task, siteOf(task), { code, message: `${task} is open and left alone: ${message}` }, hint);
  }
  for (const journal of await tasks.open()) {
    const { task, site } = journal;
    judged.add(keyOf(task));
    const trouble = await tasks.troubleOf(journal);
    if (trouble)
      say(
        task,
        site,
        trouble,
        `Read \`kedge log ${task}\`, and see \`kedge doctor\`: it goes on by itself once its reason is mended.`,
      );
    else if (trouble === null) seen.push({ key: keyOf(task), over: `${task} goes on` });
  }
  for (const key of Object.keys(standing))
    if (key.startsWith(PREFIX) && !judged.has(key)) seen.push({ key, over: `${key.slice(PREFIX.length)} has ended` });
  return seen;
}

const PREFIX = 'attention/';

function keyOf(task: string): string {
  return `${PREFIX}${task}`;
}
