import type { ContentMark } from '../../contract/backup-record';
import { isKedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { Operation } from '../operation';
import type { SiteAtWork } from '../sites/site-at-work';
import { proofOf } from '../web/proof';

/** The target of a site that the administrator's vhost serves, with its addresses: nobody reads that vhost again in mid-task. */
export async function withAddresses(
  { target, location, webServer }: SiteAtWork,
  operation: Operation,
): Promise<Target> {
  if (location.vhost !== 'include' || location.unproven !== undefined) return target;
  const servedOn = await webServer.addressesOf(location, operation);
  return { ...target, site: { ...location, servedOn: [...servedOn] } };
}

/**
 * The target of a restore of a site that nobody serves, or whose web server cannot be asked: its vhost is gone, or the
 * configuration of the server is broken, by the site's own doing as well. The restore does without what has to be seen by a
 * request; the fence holds its writes all the same.
 */
export async function withUnproven(
  { target, location: site, webServer: web }: SiteAtWork,
  operation: Operation,
): Promise<Target> {
  if (site.vhost === 'none') return target;
  let why: string | null = null;
  try {
    await web.test(operation);
    if (site.vhost === 'include' && (await web.addressesOf(site, operation)).length === 0)
      why = `no server block of ${target.web.name} serves ${site.uri}`;
    const { vhost, snippet } = await web.readVhost(site);
    if ((site.vhost === 'managed' ? vhost : snippet) === null)
      why ??= `what Kedge writes for ${site.uri} is gone from ${target.web.vhosts}`;
  } catch (error) {
    if (!isKedgeError(error) || error.code !== 'VhostTestFailed') throw error;
    why = error.message;
  }
  if (why === null) return target;
  operation.log.warn(`${why}: the restore goes on, and nobody can see that the maintenance page shows`);
  return { ...target, site: { ...site, unproven: why } };
}

/**
 * Whether visitors will see the maintenance page where the vhost is the administrator's, and whether another machine would take it away
 * that loses its master. @throws KedgeError VhostUnfit, HostProgramUnfit
 */
export async function checkMaintenance(
  { location, webServer, onMaster }: SiteAtWork,
  operation: Operation,
): Promise<void> {
  if (!onMaster) await webServer.assertOpensByItself();
  const { vhost, unproven } = location;
  if (vhost === 'include' && unproven === undefined) await webServer.proveMaintenance(location, operation);
}

/** What a site is answered as. */
export interface SeenSite {
  /** What tells it from others; null when it is broken or behind its maintenance page. */
  readonly contentMark: ContentMark | null;
  /** Status that visitors are answered; null where nobody answers. */
  readonly answered: number | null;
}

/** What visitors see now, or the application behind a refusal. */
export async function seenSite(
  { location, webServer }: Pick<SiteAtWork, 'location' | 'webServer'>,
  operation: Operation,
): Promise<SeenSite> {
  const unseen = { contentMark: null, answered: null };
  if (location.vhost === 'none' || location.unproven !== undefined) return unseen;
  try {
    const answer = await webServer.request(location, location.healthPath, operation);
    const { mark } = await proofOf(webServer, location, answer, operation);
    return { contentMark: mark.status < 400 ? mark : null, answered: answer.status };
  } catch (error) {
    operation.signal.throwIfAborted();
    operation.log.warn(`${location.uri} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return unseen;
  }
}
