import { KedgeError } from '../../../contract/errors';
import { removeEmptyFolder } from '../../hosts/empty-folder';
import type { Host } from '../../hosts/host';
import { discardedFolders, previousFolders } from '../../sites/switch-folders';
import type { TaskLeftovers } from '../leftovers';
import type { Leftover, SweepParts } from './leftover';

/** Folders of a closed task on the host of its web server. */
export async function findFoldersOfSite(
  { task, staged, committed }: TaskLeftovers,
  webHost: Host,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const look = async (path: string, what: string, remove: Leftover['remove']): Promise<void> => {
    if ((await webHost.status(path)) !== undefined) found.push({ what: `${what} ${path}`, task, remove });
  };
  for (const folder of discardedFolders(staged))
    await look(folder, 'the staging folder', (operation) => webHost.removeTree(folder, operation));
  for (const previous of previousFolders(staged))
    await look(previous, 'the folder of before', async (operation) => {
      if (committed) await webHost.removeTree(previous, operation);
      else if (!(await removeEmptyFolder(webHost, previous, operation)))
        throw new KedgeError('FileRefused', 'it holds a folder of the site');
    });
  return found;
}

/** Those on the master. */
export async function findFoldersOfMaster(
  { master }: SweepParts,
  { task, spool, unfinished }: TaskLeftovers,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const look = async (path: string | null, what: string): Promise<void> => {
    if (path === null || (await master.status(path)) === undefined) return;
    found.push({ what: `${what} ${path}`, task, remove: (operation) => master.removeTree(path, operation) });
  };
  await look(spool, 'the spool folder');
  await look(unfinished, 'the unfinished archive');
  return found;
}
