import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Listen, SiteLocation, WebServerAddress } from '../../../contract/target';
import { flagPath, probeFolder } from '../../flags/flag-paths';
import { hostName, listenValue, quoted } from './value';
import { renderTemplate } from './vhost-template';

/** Header by which a probe passes the maintenance page. Its value names a file, so nginx takes nothing but hex. */
export const PROBE_HEADER = 'X-Kedge-Probe';
/** Where a loaded vhost tells its stamp to a probe of its own site, and only to a probe. */
export const STAMP_PATH = '/.well-known/kedge-vhost';

const FIRST_LINE = /^# managed by Kedge, sha256 ([0-9a-f]{64})\n/;
/** Seconds a visitor is asked to wait. */
export const RETRY_AFTER = 120;
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

/** A text under its stamp; `render` is given the stamp, or nothing where it is to be left out. */
export function stamped(render: (stamp: string) => string): string {
  const stamp = hashOf(render(''));
  return `# managed by Kedge, sha256 ${stamp}\n${render(stamp)}`;
}

/** The stamp of a file that Kedge wrote; null for a file that Kedge did not write, or that was edited since. */
export function stampOf(content: string): string | null {
  const [firstLine = '', stamp] = FIRST_LINE.exec(content) ?? [];
  if (stamp === undefined) return null;
  return hashOf(content.slice(firstLine.length).replaceAll(stamp, '')) === stamp ? stamp : null;
}

/** True for a file that Kedge once wrote, edited or not. */
export function wasManaged(content: string): boolean {
  return content.startsWith('# managed by Kedge');
}

/** Every name the vhost of a site answers to. */
export function serverNames(site: SiteLocation): string[] {
  return [...new Set([site.uri, ...site.aliases, ...(site.redirects?.names ?? [])])].map(hostName);
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
    refused: refusedPaths(site),
    phpSocket: quoted(`unix:${site.phpSocket}`, "FPM's socket"),
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

/** What a kind of site has in its folder that nobody may ask for. */
function refusedPaths(site: SiteLocation): string[] {
  if (site.kind === 'wordpress')
    return ['~* "/wp-config[^/]*$"', '~* "^/wp-content/uploads/.*\\.(php[0-9]?|phtml|phar)(/|$)"'];
  // PHP is executed, anything else would be sent with its passwords.
  const { settings } = site;
  if (settings === undefined || /\.php$/i.test(settings.file)) return [];
  return [`= ${quoted(`/${settings.file}`, 'the settings file')}`];
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

export const MAINTENANCE_PAGE = [
  "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Maintenance</title></head>",
  '<body><h1>Maintenance</h1><p>This site is being worked on. Please come back in a few minutes.</p></body></html>',
].join('');

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
