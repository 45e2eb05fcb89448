import { patched } from '@temporalio/workflow';
import { endless } from '../options';
import { finishRestore } from './finish-restore';
import type { Task } from './task';

/**
 * Takes back what a task has done, or goes on to its end where it has passed its commit point. `hadCommitted` is what its journal
 * said a moment ago: a commit that ran at that moment, for a workflow that is no more, may have been done before the first undo
 * forbade it. Then no undo has done anything, and the way is forward. Returns whether the task is committed.
 */
export async function undoOrFinish(task: Task, hadCommitted: boolean): Promise<boolean> {
  const mayCommit = task.undo.takesBack('switchBack');
  if (!hadCommitted) await task.undoAll();
  const isCommitted = hadCommitted || (mayCommit && patched(COMMITTED_MEANWHILE) && (await committedBefore(task)));
  if (isCommitted) await finishRestore(task);
  return isCommitted;
}

const COMMITTED_MEANWHILE = 'committed-meanwhile';

/** Final once the undos have run: none may be begun behind a commit, and no commit behind an undo. */
async function committedBefore(task: Task): Promise<boolean> {
  const { open, committed } = await endless.readJournal(task.ref);
  return open && committed;
}
