import type { BackupSummary } from '../../contract/tasks';
import type { TarballOptions } from '../../activities/backup';
import type { Task } from './task';
import { together } from './together';

export const BACKUP_STEPS = ['dumpDatabase', 'syncRemote', 'tarball', 'publishBackup'] as const;

/** What a backup and the safety backup of a restore have in common. */
export async function makeBackup(task: Task, options: TarballOptions): Promise<BackupSummary> {
  await together(
    () => task.step('dumpDatabase', 'discardUnpublished'),
    () => task.step('syncRemote', null),
  );
  await task.step('tarball', 'discardUnpublished', options);
  return task.step('publishBackup', 'discardUnpublished');
}
