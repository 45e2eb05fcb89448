import { endless } from './options';
import { acceptSite } from './steps/input';
import { recoverTask } from './steps/recover-task';
import { setTaskAttributes } from './steps/visibility';

/** Ends every task of a site that was left open by a workflow that is no more. Runs under the site's own ID. */
export async function recover(site: string): Promise<string[]> {
  acceptSite(site, 'recovery');
  setTaskAttributes({ site, trigger: 'recovery' });
  const tasks = await endless.listOpenTasks({ site });
  for (const task of tasks) await recoverTask({ task }, site);
  return tasks;
}
