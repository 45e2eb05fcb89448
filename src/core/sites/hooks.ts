import { KedgeError, isKedgeError } from '../../contract/errors';
import type { HookName } from '../../contract/target';
import type { Operation } from '../operation';
import { type SiteFolder, shownFolders } from './site-folder';

const TIME_LIMIT_MS = 10 * 60_000;
const LOGGED_LINES = 50;

/**
 * Runs a hook: a program of the site's owner, as the owner, confined to the folders of the site, with network, for it may have to
 * empty a cache elsewhere. It reads what the task is as JSON on standard input; what it prints goes to the task's log.
 * @throws KedgeError HookFailed when it ends with an error or not within ten minutes; ProgramMissing
 */
export async function runHook(
  folder: SiteFolder,
  hook: { readonly name: HookName; readonly argv: readonly string[]; readonly task: object },
  operation: Operation,
): Promise<void> {
  const { host, site } = folder;
  const [program = '', ...args] = hook.argv;
  const failed = (why: string): KedgeError =>
    new KedgeError('HookFailed', `the hook ${hook.name} of ${site.uri} ${why}`, { site: site.uri, server: host.name });
  try {
    const { stdout } = await host.run({
      argv: [program, ...args],
      sandbox: { writable: shownFolders(folder), network: true, workingFolder: site.root },
      owner: site.owner,
      input: `${JSON.stringify({ hook: hook.name, ...hook.task })}\n`,
      limits: { timeoutMs: TIME_LIMIT_MS },
      operation,
    });
    for (const line of stdout.split('\n').filter(Boolean).slice(0, LOGGED_LINES))
      operation.log.info(`${hook.name}: ${line.slice(0, 1000)}`);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (isKedgeError(error) && error.code === 'ProgramFailed') throw failed(`failed: ${error.message}`);
    if (isKedgeError(error) && error.code === 'ProgramLimitReached') throw failed(`asked too much: ${error.message}`);
    throw error;
  }
}
