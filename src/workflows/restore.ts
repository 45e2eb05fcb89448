import { SAFETY_DESCRIPTION } from '../contract/names';
import type { RestoreInput, RestoreResult } from '../contract/tasks';
import { acceptInput } from './steps/input';
import { asTask } from './steps/as-task';
import { FINISHING_STEPS, finishRestore } from './steps/finish-restore';
import { BACKUP_STEPS, makeBackup } from './steps/make-backup';

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
  ...FINISHING_STEPS,
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

    const downtimeMs = await finishRestore(task);
    return { restored: input.backup, safetyBackup: safetyBackup.id, downtimeMs };
  });
}
