import { CancellationScope } from '@temporalio/workflow';
import { SAFETY_DESCRIPTION } from '../contract/names';
import type { RestoreInput, RestoreResult } from '../contract/tasks';
import { acceptInput } from './steps/input';
import { BACKUP_STEPS, makeBackup } from './steps/make-backup';
import { asTask } from './steps/task';

const PLAN = [
  'enterMaintenance',
  'fenceWrites',
  ...BACKUP_STEPS,
  'deploy',
  'createDatabase',
  'importDatabase',
  'createDbUser',
  'verify',
  'switchSite',
  'reloadWebServer',
  'probeSite',
  'commitSwitch',
  'endMaintenance',
  'discardPrevious',
  'discardReplacedDatabase',
  'discardSpool',
] as const;

/** Brings a site back to a backup. Until the commit point every step can be taken back; behind it there is only forward. */
export async function restore(given: RestoreInput): Promise<RestoreResult> {
  const input = acceptInput('restore', given);
  return asTask('restore', input, { trigger: 'request', backup: input.backup }, PLAN, async (task) => {
    await task.step('enterMaintenance', 'leaveMaintenance');
    await task.step('fenceWrites', 'liftFence', { allowShared: input.noFence ?? false });

    const safetyBackup = await makeBackup(task, {
      description: SAFETY_DESCRIPTION,
      trigger: 'restore',
      compression: 'zstd',
    });

    await task.step('deploy', 'discardStaged');
    await task.step('createDatabase', 'discardDatabase');
    await task.step('importDatabase', 'discardDatabase');
    await task.step('createDbUser', 'discardDatabase');
    await task.step('verify', null, { folder: 'staged' });

    await task.step('switchSite', 'switchBack');
    await task.step('reloadWebServer', 'putVhostBack');
    await task.step('probeSite', null);

    return CancellationScope.nonCancellable(async () => {
      task.undo.forget();
      await task.finish('commitSwitch');
      const downtimeMs = await task.finish('endMaintenance');

      await task.tidy('discardPrevious');
      await task.tidy('discardReplacedDatabase');
      await task.tidy('discardSpool');
      return { restored: input.backup, safetyBackup: safetyBackup.id, downtimeMs };
    });
  });
}
