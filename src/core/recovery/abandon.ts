import { join } from 'node:path';
import { unfinishedPath } from '../catalog/unfinished';
import type { Operation } from '../operation';
import { previousFolders, stagingFolders } from '../sites/switch-folders';
import { type OnlineParts, type TakeOver, bringOnline } from './bring-online';
import type { Journal } from '../tasks/journal';

/** What a task that was given up leaves to a person. */
export interface Abandoned {
  /** What could not be given back to the visitors of the site. */
  readonly problems: readonly string[];
  /** What the task made and undo has not removed, one line each. */
  readonly leftovers: readonly string[];
}

/**
 * Gives a task up whose undo cannot finish: the site is given back as far as that goes, the journal is closed, and what
 * the task made is left where it is, and named. Nothing is left to its workflow then.
 */
export async function abandonTask(
  parts: OnlineParts,
  journal: Journal,
  takeOver: TakeOver,
  operation: Operation,
): Promise<Abandoned> {
  const brought = await bringOnline(parts, journal.site, takeOver, operation);
  await parts.journals.close(journal.task, {
    status: 'abandoned',
    ended: new Date().toISOString(),
    code: null,
    message: `abandoned by ${takeOver.by}: ${takeOver.why}`,
    warnings: [],
  });
  return {
    problems: brought.find(({ task }) => task === journal.task)?.problems ?? [],
    leftovers: leftoversOf(journal),
  };
}

function leftoversOf({ token, target, staged, created, backup, before, committed }: Journal): string[] {
  const leftovers: string[] = [];
  for (const folder of [...stagingFolders(staged), ...previousFolders(staged)]) leftovers.push(`the folder ${folder}`);
  if (target) leftovers.push(`the folder ${join(target.spool, token)}`);
  if (backup && !backup.published) leftovers.push(`the unfinished archive ${unfinishedPath(backup)}`);
  if (created && !committed) {
    for (const database of created.databases) leftovers.push(`the database ${database}`);
    leftovers.push(`the database account ${created.account.user}`);
  }
  if (committed && before?.madeByKedge)
    leftovers.push(`the database ${before.database} and its account ${before.account.user}`);
  return leftovers;
}
