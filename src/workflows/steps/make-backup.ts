import type { BackupSummary } from '../../contract/tasks';
import type { TarballOptions } from '../../activities/backup';
import type { Task } from './task';
import { together } from './together';

/** What a backup and the safety backup of a restore have in common. */
export async function makeBackup(task: Task, options: TarballOptions): Promise<BackupSummary> {
  await together(
    () => task.step('dumpDatabase'),
    () => task.step('syncRemote'),
  );
  await task.step('tarball', options);
  return task.step('publishBackup');
}
