import { join } from 'node:path';
import type { Listen, SiteLocation, WebServerAddress } from '../../../contract/target';
import { flagPath, probeFolder } from '../../flags/flag-paths';
import { hostName } from '../../flags/host-name';
import { type RefusedPath, refusedPathsOf } from '../../sites/refused-paths';
import { MAINTENANCE_PAGE, RETRY_AFTER } from '../maintenance-page';
import { serverNames } from '../server-names';
import { STAMP_PATH, stamped } from '../stamp';
import { listenValue, quoted } from './value';
import { renderTemplate } from './vhost-template';

/** An nginx-only status: the application's own 503 then never meets the maintenance page. */
const MAINTENANCE = 512;

/**
 * The managed vhost of a site. Its stamp, a hash of the rest of the file with the stamp itself left out, stands in the
 * first line, where it shows hand edits, and is what the running server tells at {@link STAMP_PATH}.
 * @throws KedgeError ConfigurationInvalid for names and paths that nginx would misread
 */
export function renderVhost(address: WebServerAddress, site: SiteLocation): string {
  return stamped((stamp) => render(address, site, stamp));
}

function render(address: WebServerAddress, site: SiteLocation, stamp: string): string {
  return `# Kedge overwrites nothing that was edited here: it stops. Keep changes of your own elsewhere.
${renderTemplate(site, valuesOf(address, site, stamp))}`;
}

/** What templates insert. Whatever is not ours is checked here, value by value. */
function valuesOf(address: WebServerAddress, site: SiteLocation, stamp: string): object {
  const { tls, redirects, vhostInclude } = site;
  const tlsPort = suffix(address.listenTls?.[0], 443);
  const redirecting = redirects !== undefined && (redirects.https || redirects.names.length > 0);
  return {
    listen: address.listen.map(listenValue),
    listenTls: (address.listenTls ?? []).map(listenValue),
    tls: tls && {
      certificate: quoted(tls.certificate, 'the certificate'),
      key: quoted(tls.key, "the certificate's key"),
    },
    uri: hostName(site.uri),
    serverNames: serverNames(site).join(' '),
    root: quoted(site.linkedRoot ?? site.root, 'the site folder'),
    refused: refusedPathsOf(site).map(locationOf),
    phpSocket: quoted(site.phpSocket.startsWith('/') ? `unix:${site.phpSocket}` : site.phpSocket, "FPM's socket"),
    include: vhostInclude === undefined ? null : quoted(vhostInclude, 'the included file'),
    redirects: redirecting && {
      https: redirects.https,
      names: redirects.names.map(hostName),
      tlsPort,
      origin: tls
        ? `https://${hostName(site.uri)}${tlsPort}`
        : `http://${hostName(site.uri)}${suffix(address.listen[0], 80)}`,
    },
    fastcgiParameters: FASTCGI_PARAMETERS.map(([name, value]) => ({ name, value: throughLink(site, value) })),
    maintenanceStatus: MAINTENANCE,
    maintenancePage: MAINTENANCE_PAGE,
    retryAfter: RETRY_AFTER,
    ...flagValues(address, site),
    stampPath: STAMP_PATH,
    stamp,
  };
}

/** The maintenance flag and the probe token as nginx looks for them. @throws KedgeError ConfigurationInvalid */
export function flagValues(address: WebServerAddress, site: SiteLocation): { flag: string; token: string } {
  const token = quoted(join(probeFolder(address.flags, site.uri), 'TOKEN'), 'the folder of probe tokens');
  return {
    flag: quoted(flagPath(address.flags, site.uri), 'the maintenance flag'),
    token: token.replace('TOKEN"', '$kedge_token"'),
  };
}

/** PHP remembers for minutes where a link led: it is told the folder behind it. */
function throughLink({ linkedRoot }: SiteLocation, value: string): string {
  return linkedRoot === undefined ? value : value.replace('$document_root', '$realpath_root');
}

/** A port as it stands in a URL. */
function suffix(listen: Listen | undefined, usual: number): string {
  return listen === undefined || listen.port === usual ? '' : `:${listen.port}`;
}

function locationOf(refused: RefusedPath): string {
  return 'path' in refused ? `= ${quoted(refused.path, 'the settings file')}` : `~* "${refused.pattern}"`;
}

const FASTCGI_PARAMETERS: readonly (readonly [string, string])[] = [
  ['SCRIPT_FILENAME', '$document_root$fastcgi_script_name'],
  ['SCRIPT_NAME', '$fastcgi_script_name'],
  ['DOCUMENT_ROOT', '$document_root'],
  ['DOCUMENT_URI', '$document_uri'],
  ['REQUEST_URI', '$request_uri'],
  ['REQUEST_METHOD', '$request_method'],
  ['REQUEST_SCHEME', '$scheme'],
  ['QUERY_STRING', '$query_string'],
  ['CONTENT_TYPE', '$content_type'],
  ['CONTENT_LENGTH', '$content_length'],
  ['GATEWAY_INTERFACE', 'CGI/1.1'],
  ['SERVER_PROTOCOL', '$server_protocol'],
  ['SERVER_SOFTWARE', 'nginx'],
  ['SERVER_ADDR', '$server_addr'],
  ['SERVER_PORT', '$server_port'],
  ['SERVER_NAME', '$server_name'],
  ['REMOTE_ADDR', '$remote_addr'],
  ['REMOTE_PORT', '$remote_port'],
  ['HTTPS', '$https if_not_empty'],
  ['REDIRECT_STATUS', '200'],
  // The site never sees a token.
  ['HTTP_X_KEDGE_PROBE', '""'],
];
