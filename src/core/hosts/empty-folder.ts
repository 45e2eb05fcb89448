import { KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { splitPath } from './files';
import type { Host } from './host';

/**
 * Removes a folder that holds nothing; nothing happens when it is missing. The kernel refuses one that holds anything, so nothing
 * that came into it meanwhile is lost. False when it is there still.
 */
export async function removeEmptyFolder(host: Host, path: string, operation: Operation): Promise<boolean> {
  if ((await host.status(path)) === undefined) return true;
  const { parent, name } = splitPath(path);
  try {
    await host.run({
      argv: ['rmdir', '--', `/folder/${name}`],
      sandbox: { writable: [{ from: parent, to: '/folder' }], capabilities: ['DAC_OVERRIDE', 'FOWNER'] },
      operation,
    });
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!(error instanceof KedgeError) || error.code !== 'ProgramFailed') throw error;
  }
  return (await host.status(path)) === undefined;
}
