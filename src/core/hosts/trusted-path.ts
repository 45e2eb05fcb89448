import { dirname } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { FileStatus, Host, HostAccount } from './host';

const STICKY = 0o1000;
export const WRITABLE_BY_OTHERS = 0o022;

/** True when only root or the worker's user can change the folder and every folder above it. */
export async function isTrustedFolder(host: Pick<Host, 'account' | 'status'>, folder: string): Promise<boolean> {
  const account = await host.account();
  for (let path = folder; ; path = dirname(path)) {
    const status = await host.status(path);
    if (status?.type !== 'folder' || !belongsToUs(account, status)) return false;
    // In a sticky folder nobody renames what root or the worker owns.
    if ((status.mode & WRITABLE_BY_OTHERS) !== 0 && (status.mode & STICKY) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/**
 * Sees to it that nobody but root and the worker's user can put another file in the place of this one, or change it.
 * @throws KedgeError OwnerRefused
 */
export async function assertTrustedFile(host: Host, path: string): Promise<void> {
  const status = await host.status(path);
  const account = await host.account();
  const trusted = status?.type === 'file' && belongsToUs(account, status) && (status.mode & WRITABLE_BY_OTHERS) === 0;
  if (trusted && (await isTrustedFolder(host, dirname(path)))) return;
  throw new KedgeError('OwnerRefused', `${path} on ${host.name} can be changed by others than root and the worker`, {
    server: host.name,
    state: 'the site is unchanged',
    hint: 'Look who wrote it; file and folders above it have to belong to root or the worker, writable by nobody else.',
  });
}

/** Root's, or the worker's. */
export function belongsToUs(account: Pick<HostAccount, 'uid'>, { uid }: Pick<FileStatus, 'uid'>): boolean {
  return uid === 0 || uid === account.uid;
}
