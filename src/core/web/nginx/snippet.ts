import { join } from 'node:path';
import type { SiteLocation, WebServerAddress } from '../../../contract/target';
import { ACME_CHALLENGE } from './default-template';
import { DRILL_ENDING } from '../../flags/flag-paths';
import { hostName } from '../../flags/host-name';
import { MAINTENANCE_PAGE, RETRY_AFTER } from '../maintenance-page';
import { STAMP_PATH, stamped } from '../stamp';
import { flagValues } from './vhost';

/** Inside the server block alone; a visitor who asks for it is answered 404. */
const PAGE_PATH = '/.well-known/kedge-maintenance';
/** The managed vhost of a site in the folder of vhosts, and its snippet, whose ending keeps it out of `include …/*.conf`. */
export function fileNames(site: Pick<SiteLocation, 'uri'>): { readonly vhost: string; readonly snippet: string } {
  const name = hostName(site.uri);
  return { vhost: `${name}.conf`, snippet: `${name}.include` };
}

/** The line that belongs into each server block of the site. */
export function includeLine(snippet: string): string {
  return `include ${snippet};`;
}

/**
 * What the server blocks of the administrator's vhost include: the maintenance check, and the stamp. It is a guest: it sets
 * neither `error_page` nor `open_file_cache`, which would change what the block inherits; and it answers before any
 * location, so that a `return` behind it does not matter.
 * @throws KedgeError ConfigurationInvalid for names and paths that nginx would misread
 */
export function renderSnippet(address: WebServerAddress, site: SiteLocation): string {
  const { flag, token } = flagValues(address, site);
  const drill = token.replace(/"$/, `${DRILL_ENDING}"`);
  return stamped(
    (stamp) => `# Kedge overwrites nothing that was edited here: it stops.
# Belongs into every server block of ${hostName(site.uri)}, before return, rewrite and if:
#     ${includeLine(join(address.vhosts, fileNames(site).snippet))}
set $kedge_maintenance "";
set $kedge_token none;
set $kedge_probe "";
if (-f ${flag}) { set $kedge_maintenance on; }
if ($uri ~ ${ACME_CHALLENGE}) { set $kedge_maintenance ""; }
if ($http_x_kedge_probe ~ "^[0-9a-f]{32}$") { set $kedge_token $http_x_kedge_probe; }
if (-f ${token}) { set $kedge_probe on; }
if ($kedge_probe) { set $kedge_maintenance ""; }
if (-f ${drill}) { set $kedge_maintenance on; }
if ($kedge_maintenance) { rewrite ^ ${PAGE_PATH} last; }
set $kedge_probe "$kedge_probe $uri";
if ($kedge_probe = "on ${STAMP_PATH}") { return 200 "${stamp}"; }

location = ${PAGE_PATH} {
    internal;
    client_max_body_size 0;
    types { }
    default_type text/html;
    charset utf-8;
    add_header Retry-After ${RETRY_AFTER} always;
    add_header Cache-Control no-store always;
    return 503 "${MAINTENANCE_PAGE}";
}
`,
  );
}
