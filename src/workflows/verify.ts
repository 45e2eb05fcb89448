import type { VerifyInput, VerifyResult } from '../contract/tasks';
import { acceptInput } from './steps/input';
import { asTask } from './steps/as-task';

/** Looks whether a site is right: settings, login, vhost, and a page of it. */
export async function verify(given: VerifyInput): Promise<VerifyResult> {
  const input = acceptInput('verify', given);
  return asTask('verify', input, { trigger: 'request' }, ['verify', 'reloadWebServer', 'probeSite'], async (task) => {
    await task.step('verify', null, { folder: 'live' });
    await task.step('reloadWebServer', 'putVhostBack');
    return task.step('probeSite', null);
  });
}
