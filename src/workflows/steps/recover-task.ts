import { CancellationScope } from '@temporalio/workflow';
import type { TaskRef } from '../../activities/step';
import { endless } from '../options';
import { Undo } from '../undo';
import { Runbook } from './visibility';

/**
 * Ends a task that lost its workflow (terminated, or its history gone), from its journal alone: by the same undo a
 * failed task runs, or forward when it had passed its commit point.
 */
export async function recoverTask(ref: TaskRef, site: string): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    const runbook = new Runbook(site, []);
    const { committed } = await endless.readOpenTask(ref);
    if (committed) {
      await finishRestore(ref);
    } else {
      const undo = new Undo();
      undo.registerAll();
      await undo.run(ref, (name) => runbook.undoing(`${name} of ${ref.task}`));
    }
    await endless.closeTask(ref, {
      status: committed ? 'done' : 'recovered',
      code: committed ? null : 'TaskTerminated',
      message: committed ? null : 'the workflow was terminated; the site was put back as it was',
      warnings: [],
    });
  });
}

/** The steps behind a restore's commit point. */
async function finishRestore(ref: TaskRef): Promise<void> {
  await endless.commitSwitch(ref);
  await endless.endMaintenance(ref);
  await endless.discardPrevious(ref);
  await endless.discardReplacedDatabase(ref);
  await endless.discardSpool(ref);
}
