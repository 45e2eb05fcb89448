import { siteUriSchema } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import { type Deadline, MAXIMUM_DEADLINE_BYTES, begun, deadlineOf, isOver } from './deadline';
import { flagLock, flagPath, lookedPath } from './flag-paths';
import { assertOwnFolder } from './own-folder';

/** Where flags are, and what goes with them. */
export interface FlagsOfMachine {
  readonly host: Host;
  readonly flags: string;
  /** Whether a folder is one of sites; files of others are left alone. */
  readonly isOfSites: (folder: string) => boolean;
}

/**
 * Takes away the maintenance flags of this machine that are over, and notes that it looked: a timer of the machine has this done again and again.
 * Returns the sites that were opened. @throws KedgeError OwnerRefused for flags that others than root and this account may change
 */
export async function endOverdue(place: FlagsOfMachine, operation: Operation): Promise<string[]> {
  const { host, flags } = place;
  if ((await host.status(flags)) === undefined) return [];
  await assertOwnFolder(host, flags);
  return host.withLock(flagLock(flags), operation, async () => {
    const opened: string[] = [];
    for (const uri of await host.list(flags)) if (await endIfOverdue(place, uri, operation)) opened.push(uri);
    await host.writeFile(lookedPath(flags), '', { mode: 0o644 });
    return opened;
  });
}

async function endIfOverdue(place: FlagsOfMachine, uri: string, operation: Operation): Promise<boolean> {
  const { host, flags } = place;
  if (!siteUriSchema.safeParse(uri).success) return false;
  const path = flagPath(flags, uri);
  const status = await host.status(path);
  if (status?.type !== 'file' || status.bytes === 0 || status.bytes > MAXIMUM_DEADLINE_BYTES) return false;
  const deadline = deadlineOf(await host.readFile(path, MAXIMUM_DEADLINE_BYTES));
  if (deadline === null) return false;
  if (deadline.until === undefined) await host.writeFile(path, JSON.stringify(begun(deadline)), { mode: 0o644 });
  if (!isOver(deadline)) return false;
  await openApplication(place, deadline, operation);
  await host.removeFile(path);
  return true;
}

/** What fails there is no reason to keep the page of the web server up. */
async function openApplication(
  { host, isOfSites }: FlagsOfMachine,
  { application }: Deadline,
  operation: Operation,
): Promise<void> {
  if (application === undefined || !isOfSites(application.root)) return;
  const { root, ...file } = application;
  try {
    if ((await host.status(root))?.type !== 'folder') return;
    await lowerMaintenanceFile({ host, path: root, site: { root } }, file, operation);
  } catch (error) {
    operation.log.warn(`${file.path} in ${root} could not be removed: ${String(error)}`);
  }
}
