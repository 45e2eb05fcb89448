import { isKedgeError } from '../../contract/errors';
import type { Listen, SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { newProbeName, withProbeFile } from '../flags/probe-file';
import { ask } from './request';
import { DRILL_ENDING, renderSnippet } from './nginx/snippet';
import { PROBE_HEADER, STAMP_PATH, stampOf } from './nginx/vhost';

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
  host: Host,
  address: WebServerAddress,
  site: SiteLocation,
  { listen, name }: Door,
  operation: Operation,
): Promise<string | null> {
  const where = `${name} at ${listen.address}:${listen.port}`;
  const token = newProbeName(operation);
  const headers = { [PROBE_HEADER]: token };
  const place = { host, flags: address.flags, uri: site.uri };
  const get = (path: string) =>
    ask({ server: address.name, listen, uri: name, path, headers, signal: operation.signal });
  const stamp = stampOf(renderSnippet(address, site));
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
  }
}
