import { dirname } from 'node:path';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { FileStatus, Host } from '../hosts/host';
import { belongsToUs } from '../hosts/trusted-path';

/**
 * Sees to it that nobody but root and the worker can change what lies in a folder, or put another folder in its place.
 * @throws KedgeError FileRefused when it is missing or no folder, OwnerRefused
 */
export async function assertOwnFolder(host: Host, path: string): Promise<FileStatus> {
  const server = host.name;
  const status = await host.status(path);
  if (status?.type !== 'folder') {
    throw new KedgeError('FileRefused', `${path} on ${server} ${status ? 'is no folder' : 'does not exist'}`, {
      server,
      hint: `Make the folder ${path}, and include its *.conf in the configuration of the web server.`,
    });
  }
  if (!belongsToUs(await host.account(), status) || (status.mode & 0o022) !== 0) {
    throw new KedgeError('OwnerRefused', `${path} on ${server} can be changed by others than root and the worker`, {
      server,
      hint: `Run \`chown root: ${path}\` and \`chmod 0755 ${path}\`.`,
    });
  }
  await host.assertTrusted(path);
  return status;
}

/** Whether a folder is there, and nobody but root and the worker can change what lies in it, or put another in its place. */
export async function isOwnFolder(host: Host, path: string): Promise<boolean> {
  return assertOwnFolder(host, path).then(
    () => true,
    (error: unknown) => {
      if (isKedgeError(error)) return false;
      throw error;
    },
  );
}

/**
 * Sees to it that the web server, another account, can look up names in a folder. Where it cannot, nginx takes a flag
 * for absent and serves the site instead of its maintenance page.
 * @throws KedgeError MaintenanceFailed
 */
export async function assertPassable(host: Host, folder: string): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    const status = await host.status(path);
    if (status?.type === 'folder' && (status.mode & 0o001) === 0) {
      throw new KedgeError('MaintenanceFailed', `the web server cannot enter ${path} on ${host.name}`, {
        server: host.name,
        hint: `Run \`chmod o+x ${path}\`, or choose another folder for the flags of ${host.name}.`,
      });
    }
    if (path === dirname(path)) return;
  }
}
