import { SAFETY_DESCRIPTION, SAFETY_TRIGGER } from '../contract/names';
import type { RestoreInput, RestoreResult } from '../contract/tasks';
import { asTask } from './steps/as-task';
import { deployBackup } from './steps/deploy-backup';
import { finishRestore } from './steps/finish-restore';
import { acceptInput } from './steps/input';
import { makeBackup } from './steps/make-backup';
import { shutSite } from './steps/shut-site';

/** Brings a site back to a backup. Until the commit point every step can be taken back; behind it there is only forward. */
export async function restore(given: RestoreInput): Promise<RestoreResult> {
  const input = acceptInput('restore', given);
  return asTask('restore', input, { trigger: 'request', backup: input.backup }, async (task) => {
    await task.awaitLease();
    await task.hook('before');
    await shutSite(task, { allowShared: input.noFence ?? false });

    const safetyBackup = await makeBackup(task, {
      description: SAFETY_DESCRIPTION,
      trigger: SAFETY_TRIGGER,
      compression: 'zstd',
    });

    const logins = await deployBackup(task);
    const { downtimeMs, kept } = await finishRestore(task);
    return {
      restored: input.backup,
      safetyBackup: safetyBackup.id,
      downtimeMs,
      ...(kept.length === 0 ? {} : { kept }),
      ...logins,
    };
  });
}
