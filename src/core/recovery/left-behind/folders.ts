import { KedgeError } from '../../../contract/errors';
import { removeEmptyFolder } from '../../hosts/empty-folder';
import type { Host } from '../../hosts/host';
import { previousFolders, stagingFolders } from '../../sites/switch-folders';
import type { TaskLeftovers } from '../leftovers';
import type { Leftover, SweepParts } from './leftover';

/** Folders of a closed task, on the master and on the host of its web server; null where that is known no more. */
export async function findFolders(
  { master }: SweepParts,
  { task, staged, committed, spool, unfinished }: TaskLeftovers,
  webHost: Host | null,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const look = async (host: Host, path: string, what: string, remove: Leftover['remove']): Promise<void> => {
    if ((await host.status(path)) !== undefined) found.push({ what: `${what} ${path}`, task, remove });
  };
  for (const staging of stagingFolders(staged))
    if (webHost)
      await look(webHost, staging, 'the staging folder', (operation) => webHost.removeTree(staging, operation));
  for (const previous of previousFolders(staged))
    if (webHost)
      await look(webHost, previous, 'the folder of before', async (operation) => {
        if (committed) await webHost.removeTree(previous, operation);
        else if (!(await removeEmptyFolder(webHost, previous, operation)))
          throw new KedgeError('FileRefused', 'it holds a folder of the site');
      });
  if (spool !== null) await look(master, spool, 'the spool folder', (operation) => master.removeTree(spool, operation));
  if (unfinished !== null)
    await look(master, unfinished, 'the unfinished archive', (operation) => master.removeTree(unfinished, operation));
  return found;
}
