import type { DeployInput, DeployResult } from '../contract/tasks';
import { asTask } from './steps/as-task';
import { deployBackup } from './steps/deploy-backup';
import { finishRestore } from './steps/finish-restore';
import { acceptInput } from './steps/input';
import { setBackupAttribute } from './steps/visibility';

/** Makes a new site of an archive. One that fails leaves no trace of it. */
export async function deploy(given: DeployInput): Promise<DeployResult> {
  const input = acceptInput('deploy', given);
  return asTask('deploy', input, { trigger: 'request' }, async (task, { backup }) => {
    if (backup === null) throw new TypeError('preflight of a deploy names the backup');
    setBackupAttribute(backup);
    await task.awaitLease();
    await task.hook('before');
    const logins = await deployBackup(task);
    await finishRestore(task);
    return { deployed: backup, ...logins };
  });
}
