import { join } from 'node:path';
import type { SiteLocation, WebServerAddress } from '../../../contract/target';
import { ACME_CHALLENGE } from './default-template';
import { hostName } from './value';
import { flagValues, MAINTENANCE_PAGE, RETRY_AFTER, STAMP_PATH, stamped } from './vhost';

/** Inside the server block alone; a visitor who asks for it is answered 404. */
const PAGE_PATH = '/.well-known/kedge-maintenance';
/** Ending of the file beside a token that shows the maintenance page to the request with the token, and to no other. */
export const DRILL_ENDING = '.maintenance';

/** The file with a site's snippet. Its ending keeps it out of `include …/*.conf`. */
export function snippetPath(address: WebServerAddress, site: SiteLocation): string {
  return join(address.vhosts, `${hostName(site.uri)}.include`);
}

/** The line that belongs into each server block of the site. */
export function includeLine(address: WebServerAddress, site: SiteLocation): string {
  return `include ${snippetPath(address, site)};`;
}

/**
 * What the server blocks of somebody else's vhost include: the maintenance check, and the stamp. It is a guest: it sets
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
#     ${includeLine(address, site)}
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
