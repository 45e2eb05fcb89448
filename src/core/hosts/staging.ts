import { dirname, join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { Host } from './host';
import { isTrustedFolder } from './trusted-path';

/**
 * The nearest ancestor of a folder of a site, on its file system, that only root or the worker's user may change, and whose
 * own ancestors are such: there the owner of the site can rename nothing under our hands.
 * @throws KedgeError SiteFolderRefused when it is no folder of its own or there is no such ancestor
 */
export async function safeStagingParent(
  host: Host,
  folderOfSite: string,
  { mayBeFile = false }: { readonly mayBeFile?: boolean } = {},
): Promise<string> {
  const refuse = (why: string): KedgeError =>
    new KedgeError('SiteFolderRefused', `the folder ${folderOfSite} on ${host.name} ${why}`, {
      server: host.name,
      state: 'the site is unchanged',
    });
  const site = await host.status(folderOfSite);
  if (!site) throw refuse('does not exist');
  if (site.type === 'link') throw refuse('is a symbolic link; name the folder it leads to');
  if (site.type !== 'folder' && !mayBeFile) throw refuse('is no folder');
  if ((await host.mountsBelow(folderOfSite)).includes(folderOfSite))
    throw refuse('is a mount point and cannot be renamed; use a folder below it');
  for (let folder = dirname(folderOfSite); folder !== dirname(folder); folder = dirname(folder)) {
    const status = await host.status(folder);
    if (!status || status.device !== site.device) break;
    if (await isTrustedFolder(host, folder)) return folder;
  }
  throw refuse('has no ancestor on its file system that only root may change, to stage a restore in');
}

/** `<ancestor>/.kedge/<token>`, where a folder of a site is to be staged; a file may lie in its place. @throws KedgeError SiteFolderRefused */
export async function stagingFolderFor(host: Host, folderOfSite: string, token: string): Promise<string> {
  return join(await safeStagingParent(host, folderOfSite, { mayBeFile: true }), '.kedge', token);
}

/** Makes a staging folder: 0700 and the worker's own. @throws KedgeError OwnerRefused */
export async function makeStagingFolder(host: Host, folder: string): Promise<void> {
  // One after the other: in a sticky folder anybody may have laid a link in the place of `.kedge`.
  for (const path of [dirname(folder), folder]) {
    await host.makeFolder(path, { mode: 0o700 });
    const [status, { uid }] = [await host.status(path), await host.account()];
    if (status?.type === 'folder' && status.uid === uid && (status.mode & 0o077) === 0) continue;
    throw new KedgeError('OwnerRefused', `${path} on ${host.name} is not a folder of the worker alone`, {
      server: host.name,
      hint: `Remove ${path}, or make it the worker's with mode 0700.`,
    });
  }
}
