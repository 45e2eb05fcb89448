import { CancellationScope, patched } from '@temporalio/workflow';
import type { BackupInput, BackupResult } from '../contract/tasks';
import { acceptInput } from './steps/input';
import { makeBackup } from './steps/make-backup';
import { asTask } from './steps/as-task';
import { shutSite } from './steps/shut-site';
import { setBackupAttribute } from './steps/visibility';

/** Saves a site: its folder and its database in one archive, in the catalogue only once it was read back. */
export async function backup(given: BackupInput): Promise<BackupResult> {
  const input = acceptInput('backup', given);
  return asTask('backup', input, { trigger: 'request' }, async (task, found) => {
    await task.awaitLease();
    await task.hook('before');
    if (input.quiesce) {
      if (patched('proved-before-shut')) await task.step('proveDefinitions');
      await shutSite(task, { allowShared: false });
    }
    const made = await makeBackup(task, {
      description: found.description,
      trigger: 'request',
      compression: input.compression ?? 'zstd',
    });
    setBackupAttribute(made.id);

    // Published: it stays. What was done to the site for it is taken back, cancelled or not.
    return CancellationScope.nonCancellable(async () => {
      task.undo.forget('discardUnpublished');
      await task.undoAll();
      await task.tidy('discardSpool');
      await task.lastHook();
      return { backup: made };
    });
  });
}
