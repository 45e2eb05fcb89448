import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import { type Note, checkRoom, checkSite } from './check-site';
import type { PreflightParts } from './parts';
import { checkFence } from './fence';
import { checkMaintenance, withAddresses } from './visible-site';
import { needsOfBackup } from './safety-room';

/** How a backup was asked for. */
export interface AskedBackup {
  /** The site is shut meanwhile, and its writes are fenced. */
  readonly quiesce: boolean;
}

/**
 * Everything that can be known to stop a backup, or a verify, which changes less. What shutting the site would stumble over is
 * looked for before its visitors notice anything.
 * @throws KedgeError AccountShared, VhostUnfit, DiskFull, and whatever the site is refused for; the site is unchanged
 */
export async function checkBackup(
  parts: PreflightParts,
  resolved: Target,
  { quiesce }: AskedBackup,
  operation: Operation,
  note: Note,
): Promise<{ target: Target }> {
  const found = parts.siteAtWork(await withAddresses(parts.siteAtWork(resolved), operation));
  const { current } = await parts.states.get(found.uri);
  await note({ target: found.target, before: current });
  const { target, bytes } = await checkSite(found, current, { isSafety: false }, operation, note);
  const site = parts.siteAtWork(target);
  if (quiesce) {
    await checkMaintenance(site, operation);
    const server = await site.databaseServer(operation.signal);
    await checkFence(server, target, current, { allowShared: false }, operation);
  }
  const needs = await needsOfBackup({ ...parts, host: site.host }, target, bytes);
  await checkRoom(target, needs, operation);
  return { target };
}
