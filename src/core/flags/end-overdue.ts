import { siteUriSchema } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import { type Deadline, MAXIMUM_DEADLINE_BYTES, deadlineOf } from './deadline';
import { flagLock, flagPath, lookedPath } from './flag-paths';
import { prepareFlags } from './maintenance';

/** Where flags are, and what goes with them. */
export interface FlagsOfMachine {
  readonly host: Host;
  readonly flags: string;
  /** The same machine, as far as files of sites go: it touches them as a master may, and no others. */
  readonly sites: Host;
}

/** What came of a look at the flags of a machine. */
export interface OverdueEnded {
  /** Sites that are open again. */
  readonly opened: readonly string[];
  /** Sentences on what could not be done; all else was. */
  readonly problems: readonly string[];
}

/**
 * Takes away the maintenance flags of this machine that are over, and notes that it looked: a timer of the machine has this done again and again.
 * Makes their folder where there is none. What is wrong with one flag keeps no other up.
 * @throws KedgeError OwnerRefused for flags that others than root and this account may change, MaintenanceFailed
 */
export async function endOverdue(place: FlagsOfMachine, operation: Operation): Promise<OverdueEnded> {
  const { host, flags } = place;
  await prepareFlags(host, flags);
  return host.withLock(flagLock(flags), operation, async () => {
    const opened: string[] = [];
    const problems: string[] = [];
    for (const uri of (await host.list(flags)).filter((name) => siteUriSchema.safeParse(name).success)) {
      try {
        if (await endIfOverdue(place, uri, problems, operation)) opened.push(uri);
      } catch (error) {
        problems.push(`the flag of ${uri} could not be looked at: ${String(error)}`);
      }
    }
    await host.writeFile(lookedPath(flags), '', { mode: 0o644 });
    return { opened, problems };
  });
}

async function endIfOverdue(
  place: FlagsOfMachine,
  uri: string,
  problems: string[],
  operation: Operation,
): Promise<boolean> {
  const { host, flags } = place;
  const path = flagPath(flags, uri);
  const status = await host.status(path);
  if (status?.type !== 'file' || status.bytes === 0 || status.bytes > MAXIMUM_DEADLINE_BYTES) return false;
  const deadline = deadlineOf(await host.readFile(path, MAXIMUM_DEADLINE_BYTES));
  if (deadline === null || (await host.now()) < status.modifiedMs + deadline.leftMs) return false;
  try {
    await openApplication(place, deadline, operation);
  } catch (error) {
    // No reason to keep the page of the web server up.
    problems.push(`the application of ${uri} could not be opened: ${String(error)}`);
  }
  await host.removeFile(path);
  return true;
}

async function openApplication(
  { sites: host }: FlagsOfMachine,
  { application }: Deadline,
  operation: Operation,
): Promise<void> {
  if (application === undefined) return;
  const { root, ...file } = application;
  if ((await host.status(root))?.type !== 'folder') return;
  await lowerMaintenanceFile({ host, path: root, site: { root } }, file, operation);
}
