import type { Task } from './task';

export const DEPLOY_STEPS = [
  'deploy',
  'createDatabase',
  'importDatabase',
  'createDbUser',
  'verify',
  'switchSite',
  'reloadWebServer',
  'probeSite',
] as const;

/**
 * Puts what a backup holds in the place of what is there, up to the commit: what restore and deploy have in common. Returns which
 * logins are valid again for it.
 */
export async function deployBackup(task: Task): Promise<{ logins?: string[] }> {
  await task.step('deploy', 'discardStaged');
  await task.step('createDatabase', 'discardDatabase');
  await task.step('importDatabase', 'discardDatabase');
  await task.step('createDbUser', 'discardDatabase');
  const verified = await task.step('verify', null, { folder: 'staged' });

  await task.step('switchSite', 'switchBack');
  await task.step('reloadWebServer', 'putVhostBack');
  await task.hook('afterSwitch');
  await task.step('probeSite', null);
  // An older worker said nothing of them.
  const logins = verified?.logins ?? [];
  return logins.length === 0 ? {} : { logins };
}
