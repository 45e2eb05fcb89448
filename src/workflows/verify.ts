import type { VerifyInput, VerifyResult } from '../contract/tasks';
import { acceptInput } from './steps/input';
import { asTask } from './steps/as-task';

/** Looks whether a site is right: settings, login, vhost, and a page of it. */
export async function verify(given: VerifyInput): Promise<VerifyResult> {
  const input = acceptInput('verify', given);
  return asTask('verify', input, { trigger: 'request' }, async (task) => {
    await task.step('verify', { folder: 'live' });
    await task.step('reloadWebServer');
    return task.step('probeSite');
  });
}
