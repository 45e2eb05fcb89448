import { CancellationScope } from '@temporalio/workflow';
import type { Task } from './task';

/**
 * The end of a restore: the commit, and what follows it whatever happens. Finds by itself what an earlier run has done.
 * Returns how long the site was in maintenance, ms, and what was kept of its database before. Fails only when the commit is refused; then nothing is committed.
 */
export async function finishRestore(task: Task): Promise<{ downtimeMs: number; kept: string[] }> {
  return CancellationScope.nonCancellable(async () => {
    await task.commit('commitSwitch');
    task.undo.forget();
    const downtimeMs = await task.finish('endMaintenance');
    await task.tidy('discardPrevious');
    const report = await task.tidy('discardReplacedDatabase');
    await task.tidy('discardSpool');
    await task.lastHook();
    return { downtimeMs, kept: report?.kept ?? [] };
  });
}
