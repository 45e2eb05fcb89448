import { KedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { type Deadline, flagOf } from './deadline';
import { flagLock, flagPath, lookedPath } from './flag-paths';
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

/**
 * With a deadline the machine itself takes the flag away behind it, unless {@link keepMaintenance} comes first.
 * @throws KedgeError MaintenanceFailed when the web server could not see the flag, OwnerRefused
 */
export async function raiseMaintenance(host: Host, flags: string, uri: string, deadline?: Deadline): Promise<void> {
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
  await host.writeFile(path, deadline === undefined ? '' : flagOf(deadline), { mode: 0o644 });
}

/**
 * From here the flag stays until the master takes it away: what visitors would see without it is not whole.
 * @throws KedgeError MaintenanceLimitReached when its machine has taken it away
 */
export async function keepMaintenance(host: Host, flags: string, uri: string, operation: Operation): Promise<void> {
  await host.withLock(flagLock(flags), operation, async () => {
    await assertStillShut(host, flags, uri);
    const status = await host.status(flagPath(flags, uri));
    // One that says nothing stays as it is, as does one that an administrator has linked.
    if (status?.type === 'file' && status.bytes > 0) await host.writeFile(flagPath(flags, uri), '', { mode: 0o644 });
  });
}

/**
 * Since when a flag is up that says when it is over, by the clock of its machine, ms; null where none is. What is up besides is for a person:
 * an administrator's flag says nothing, nor does the one that stands over a switch.
 */
export async function endsByItselfSince(host: Host, flags: string, uri: string): Promise<number | null> {
  const status = await host.status(flagPath(flags, uri));
  return status?.type === 'file' && status.bytes > 0 ? status.modifiedMs : null;
}

/** Has a flag that says when it is over say this from now on; nothing where none is. The page stays up all the while. */
export async function renewMaintenance(
  host: Host,
  flags: string,
  uri: string,
  deadline: Deadline,
  operation: Operation,
): Promise<void> {
  if ((await endsByItselfSince(host, flags, uri)) === null) return;
  await host.withLock(flagLock(flags), operation, async () => {
    if ((await endsByItselfSince(host, flags, uri)) === null) return;
    await host.writeFile(flagPath(flags, uri), flagOf(deadline), { mode: 0o644 });
  });
}

/** @throws KedgeError MaintenanceLimitReached */
export async function assertStillShut(host: Host, flags: string, uri: string): Promise<void> {
  if (await maintenanceIsOn(host, flags, uri)) return;
  throw new KedgeError(
    'MaintenanceLimitReached',
    `${host.name} has opened ${uri} by itself: its maintenance limit passed, and nobody had ended it`,
    { site: uri, server: host.name },
  );
}

/** A timer looks once a minute, ms. */
const LOOKED_WITHIN_MS = 5 * 60_000;

/**
 * Sees that the machine would open a site again whose master is lost.
 * @throws KedgeError HostProgramUnfit
 */
export async function assertOpensByItself(host: Host, flags: string): Promise<void> {
  const looked = await host.status(lookedPath(flags));
  const agoMs = looked === undefined ? null : (await host.now()) - looked.modifiedMs;
  if (agoMs !== null && agoMs <= LOOKED_WITHIN_MS) return;
  const since =
    agoMs === null ? 'nothing there ever looked' : `nothing there has looked for ${Math.round(agoMs / 60_000)} min`;
  throw new KedgeError(
    'HostProgramUnfit',
    `${host.name} would not open a site again whose master is lost: ${since} for sites whose maintenance is over`,
    { server: host.name, hint: `Run \`kedge servers prepare ${host.name}\`, which has a timer do it.` },
  );
}

export async function lowerMaintenance(host: Host, flags: string, uri: string): Promise<void> {
  if (await maintenanceIsOn(host, flags, uri)) await host.removeFile(flagPath(flags, uri));
}
