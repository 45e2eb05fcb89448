import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import { type Note, checkRoom } from './check-site';
import type { PreflightParts } from './parts';
import { checkSourceArchive } from './source';
import { checkNewSite } from './new-site';
import { withAddresses } from './visible-site';

/** How a deploy was asked for. */
export interface AskedDeploy {
  /** Path of the archive on the master. */
  readonly archive: string;
  /** Question marks may take the place of bytes that are no letters. */
  readonly replaceText: boolean;
}

/**
 * Everything that can be known to stop a deploy.
 * @throws KedgeError SiteFolderRefused, ArchiveInvalid, ArchiveRefused, DumpIncompatible, DiskFull, and whatever else the archive is
 *   refused for; nothing was changed
 */
export async function checkDeploy(
  parts: PreflightParts,
  resolved: Target,
  { archive, replaceText }: AskedDeploy,
  operation: Operation,
  note: Note,
): Promise<{ target: Target }> {
  const site = parts.siteAtWork(await withAddresses(parts.siteAtWork(resolved), operation));
  const { target } = site;
  await note({ target });
  await checkNewSite(parts, site, operation);
  const { source, needs } = await checkSourceArchive(parts, site, archive, operation, { mayBeReplaced: replaceText });
  await note({ source });
  await checkRoom(target, needs, operation);
  return { target };
}
