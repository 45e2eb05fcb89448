import { KedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { flagPath } from './flag-paths';
import { assertOwnFolder, assertPassable } from './own-folder';

/** Makes the folder of flags, readable by the web server. @throws KedgeError MaintenanceFailed, OwnerRefused */
export async function prepareFlags(host: Host, flags: string): Promise<void> {
  await host.makeFolder(flags, { mode: 0o755 });
  await assertOwnFolder(host, flags);
  await assertPassable(host, flags);
}

export async function maintenanceIsOn(host: Host, flags: string, uri: string): Promise<boolean> {
  const status = await host.status(flagPath(flags, uri));
  // An administrator may have linked the flag: the web server follows.
  return status?.type === 'file' || status?.type === 'link';
}

/** @throws KedgeError MaintenanceFailed when the web server could not see the flag, OwnerRefused */
export async function raiseMaintenance(host: Host, flags: string, uri: string): Promise<void> {
  await prepareFlags(host, flags);
  const path = flagPath(flags, uri);
  if (await maintenanceIsOn(host, flags, uri)) return;
  if ((await host.status(path)) !== undefined) {
    throw new KedgeError('MaintenanceFailed', `${path} on ${host.name} is in the way of the maintenance flag`, {
      site: uri,
      server: host.name,
      hint: `Move ${path} away.`,
    });
  }
  await host.writeFile(path, '', { mode: 0o644 });
}

export async function lowerMaintenance(host: Host, flags: string, uri: string): Promise<void> {
  if (await maintenanceIsOn(host, flags, uri)) await host.removeFile(flagPath(flags, uri));
}
