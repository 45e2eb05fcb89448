import { CancellationScope } from '@temporalio/workflow';
import type { TaskRef } from '../../activities/step';
import { markdownText } from '../../contract/printable';
import { finishOf } from '../../contract/steps';
import { endless } from '../options';
import { Task } from './task';
import { undoOrFinish } from './undo-or-finish';

const PUT_BACK = 'the workflow was terminated; the site was put back as it was';
const GONE_ON = 'the workflow was terminated behind its commit point; the site is restored';

/**
 * Ends a task that lost its workflow (terminated, or its history gone), from its journal alone: by the same undo a
 * failed task runs, or forward when it had passed its commit point.
 */
export async function recoverTask(ref: TaskRef, site: string): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    const task = new Task(site, ref.task, [
      'commitSwitch',
      ...finishOf({ type: 'restore', quiesce: false, hooks: [] }),
    ]);
    task.answerStatus();
    task.undo.registerAll();
    const { committed: hadCommitted } = await endless.readJournal(ref);
    const committed = await undoOrFinish(task, hadCommitted);
    await endless.closeTask(ref, {
      status: committed ? 'done' : 'recovered',
      code: committed ? null : 'TaskTerminated',
      message: committed ? null : PUT_BACK,
      warnings: task.warnings,
    });
    task.runbook.over([`**recovered** ${markdownText(ref.task)}: ${committed ? GONE_ON : PUT_BACK}`, '']);
  });
}
