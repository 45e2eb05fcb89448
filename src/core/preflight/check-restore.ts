import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import { type Note, checkSite } from './check-site';
import type { PreflightParts } from './parts';
import { type CheckedSource, checkSourceBackup } from './source';
import { checkFence } from './fence';
import { checkLogins } from './logins';
import { checkMaintenance, withAddresses, withUnproven } from './visible-site';
import { checkAccounts } from './accounts';
import { checkQuotas } from './quota';
import { type SetAside, type SiteBytes, roomForSafetyBackup, sentencesOf } from './safety-room';
import type { SpaceNeed } from './space';

/** How a restore was asked for. */
export interface AskedRestore {
  readonly backup: string;
  /** It goes on where the writes of the site cannot be fenced. */
  readonly noFence: boolean;
  /** Files besides the settings may hold the login. */
  readonly leaveLogins: boolean;
  /** Question marks may take the place of bytes that are no letters. */
  readonly replaceText: boolean;
}

/** A restore that nothing is known to stop. */
export interface CheckedRestore {
  readonly target: Target;
  /** The site as it is. */
  readonly bytes: SiteBytes;
  /** The backup it goes back to. */
  readonly source: CheckedSource;
  readonly needs: readonly SpaceNeed[];
  /** What its safety backup does without. */
  readonly setAside: SetAside;
}

/**
 * Everything that can be known to stop a restore, before anything is shut. Whoever goes on without a fence is told by the fence.
 * @throws KedgeError BackupUnknown, BackupDamaged, AccountShared, VhostUnfit, LoginElsewhere, DumpIncompatible, DiskFull, and
 *   whatever else the site or the backup is refused for; the site is unchanged
 */
export async function checkRestore(
  parts: PreflightParts,
  resolved: Target,
  { backup, noFence, leaveLogins, replaceText }: AskedRestore,
  operation: Operation,
  note: Note,
): Promise<CheckedRestore> {
  const served = parts.siteAtWork(await withUnproven(parts.siteAtWork(resolved), operation));
  const found = parts.siteAtWork(await withAddresses(served, operation));
  const { uri } = found;
  const { current } = await parts.states.get(uri);
  await note({ target: found.target, before: current });
  const { target, bytes, notBackedUp } = await checkSite(found, current, { isSafety: true }, operation, note);
  const site = parts.siteAtWork(target);
  await checkMaintenance(site, operation);
  await checkLogins(site, current, { leave: leaveLogins }, operation);
  const source = await checkSourceBackup(parts, site, backup, operation, { mayBeReplaced: replaceText });
  await note({ source: source.source });
  const server = await site.databaseServer(operation.signal);
  if (!noFence) await checkFence(server, target, current, { allowShared: false }, operation);
  await checkAccounts(server, target, current, source.elsewhere, operation);
  const hosts = { ...parts, host: site.host };
  const { needs, setAside } = await roomForSafetyBackup(hosts, target, bytes, source.needs);
  const sentences = sentencesOf(setAside);
  for (const sentence of sentences) operation.log.warn(sentence);
  await note({ setAside, notBackedUp: [...notBackedUp, ...sentences] });
  await checkQuotas(needs, uri, operation);
  return { target, bytes, source, needs, setAside };
}
