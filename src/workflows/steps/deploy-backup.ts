import type { Task } from './task';

/**
 * Puts what a backup holds in the place of what is there, up to the commit: what restore and deploy have in common. Returns which
 * logins are valid again for it.
 */
export async function deployBackup(task: Task): Promise<{ logins?: string[] }> {
  await task.step('deploy');
  await task.step('createDatabase');
  await task.step('importDatabase');
  await task.step('createDbUser');
  const verified = await task.step('verify', { folder: 'staged' });

  await task.step('switchSite');
  await task.step('reloadWebServer');
  await task.hook('afterSwitch');
  await task.step('probeSite');
  // An older worker said nothing of them.
  const logins = verified?.logins ?? [];
  return logins.length === 0 ? {} : { logins };
}
