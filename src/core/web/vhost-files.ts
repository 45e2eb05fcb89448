import { dirname } from 'node:path';
import type { SiteLocation } from '../../contract/target';
import { matchingFiles } from '../hosts/file-pattern';
import type { Host } from '../hosts/host';

/**
 * What the web server reads, as root, because the managed vhost of a site names it: certificate, key, and what it includes; of a
 * pattern the folder, and the files that match it now.
 */
export async function filesOfVhost(
  host: Host,
  { tls, vhostInclude }: Pick<SiteLocation, 'tls' | 'vhostInclude'>,
): Promise<string[]> {
  const included = vhostInclude === undefined ? [] : [vhostInclude];
  const matching = /[*?[]/.test(vhostInclude ?? '')
    ? [dirname(vhostInclude ?? ''), ...(await matchingFiles(host, vhostInclude ?? ''))]
    : included;
  return [...(tls === undefined ? [] : [tls.certificate, tls.key]), ...matching];
}
