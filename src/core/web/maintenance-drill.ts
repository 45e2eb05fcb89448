import { isKedgeError } from '../../contract/errors';
import type { Listen, SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { DRILL_ENDING } from '../flags/flag-paths';
import { newProbeName, withProbeFile } from '../flags/probe-file';
import { ask, connectionTo } from './request';
import { PROBE_HEADER } from './maintenance-page';
import { STAMP_PATH } from './stamp';

/** Whose maintenance page is asked for, and the stamp of the snippet that is to show it. */
export interface DrilledSite {
  readonly host: Host;
  readonly address: WebServerAddress;
  readonly site: SiteLocation;
  readonly stamp: string;
}

/** Where a drill asks. */
export interface Door {
  readonly listen: Listen;
  /** The host name asked for. */
  readonly name: string;
}

/**
 * Asks, with a token of its own, for the stamp of the snippet, for the maintenance page, and for the stamp again, so that
 * no visitor notices. Returns what is wrong at this door; null when the snippet is obeyed at once.
 * @throws KedgeError other than ProbeFailed; the signal's reason
 */
export async function drillMaintenance(
  { host, address, site, stamp }: DrilledSite,
  { listen, name }: Door,
  operation: Operation,
): Promise<string | null> {
  const where = `${name} at ${listen.address}:${listen.port}`;
  const token = newProbeName(operation);
  const headers = { [PROBE_HEADER]: token };
  const place = { host, flags: address.flags, uri: site.uri };
  // Of one worker: a neighbour of it may not have cached yet what hides the flag.
  const agent = connectionTo(host, listen);
  const get = (path: string) =>
    ask({ server: address.name, host, listen, uri: name, path, headers, agent, signal: operation.signal });
  const tellsStamp = async (): Promise<boolean> => (await get(STAMP_PATH)).body.toString('latin1') === stamp;
  try {
    return await withProbeFile(place, token, '', async () => {
      if (!(await tellsStamp())) return `${where} does not run the snippet`;
      const page = await withProbeFile(place, `${token}${DRILL_ENDING}`, '', () => get(site.healthPath));
      if (page.status !== 503 || page.retryAfter === null || page.mark.title !== 'Maintenance')
        return `${where} answers ${page.status} instead of the maintenance page`;
      return (await tellsStamp()) ? null : `${where} shows the maintenance page after its end`;
    });
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
    return error.message;
  } finally {
    agent.destroy();
  }
}
