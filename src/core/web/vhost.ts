import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { SiteLocation, WebServerAddress } from '../../contract/target';
import { flagPath, probeFolder } from './flag-paths';
import { hostName, listenValue, quoted } from './nginx-value';

/** Header by which a probe passes the maintenance page. Its value names a file, so nginx takes nothing but hex. */
export const PROBE_HEADER = 'X-Kedge-Probe';
/** Where a loaded vhost tells its stamp to a probe of its own site, and only to a probe. */
export const STAMP_PATH = '/.well-known/kedge-vhost';

const FIRST_LINE = /^# managed by Kedge, sha256 ([0-9a-f]{64})\n/;
/** Seconds a visitor is asked to wait. */
const RETRY_AFTER = 120;
/** An nginx-only status: the application's own 503 then never meets the maintenance page. */
const MAINTENANCE = 512;

/**
 * The managed vhost of a site. Its stamp, a hash of the rest of the file with the stamp itself left out, stands in the
 * first line, where it shows hand edits, and is what the running server tells at {@link STAMP_PATH}.
 * @throws KedgeError ConfigurationInvalid for names and paths that nginx would misread
 */
export function renderVhost(address: WebServerAddress, site: SiteLocation): string {
  const stamp = hashOf(render(address, site, ''));
  return `# managed by Kedge, sha256 ${stamp}\n${render(address, site, stamp)}`;
}

/** The stamp of a managed vhost; null for a file that Kedge did not write, or that was edited since. */
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
  return [...new Set([site.uri, ...site.aliases])].map(hostName);
}

function render(address: WebServerAddress, site: SiteLocation, stamp: string): string {
  const flag = quoted(flagPath(address.flags, site.uri), 'the maintenance flag');
  const token = quoted(join(probeFolder(address.flags, site.uri), 'TOKEN'), 'the folder of probe tokens').replace(
    'TOKEN"',
    '$kedge_token"',
  );
  return `# Kedge overwrites nothing that was edited here: it stops. Keep changes of your own elsewhere.
server {
${address.listen.map((listen) => `    listen ${listenValue(listen)};`).join('\n')}
    server_name ${serverNames(site).join(' ')};
    root ${quoted(site.root, 'the site folder')};
    index index.php index.html;
    client_max_body_size 128m;

    # Maintenance: looked up on each request, so that the page comes and goes without a reload.
    open_file_cache off;
    error_page ${MAINTENANCE} =503 @kedge_maintenance;
    set $kedge_maintenance "";
    set $kedge_token none;
    set $kedge_probe "";
    if (-f ${flag}) { set $kedge_maintenance on; }
    if ($uri ~ "^/\\.well-known/acme-challenge/[A-Za-z0-9_-]+$") { set $kedge_maintenance ""; }
    if ($http_x_kedge_probe ~ "^[0-9a-f]{32}$") { set $kedge_token $http_x_kedge_probe; }
    if (-f ${token}) { set $kedge_probe on; }
    if ($kedge_probe) { set $kedge_maintenance ""; }
    if ($kedge_maintenance) { return ${MAINTENANCE}; }

    location @kedge_maintenance {
        types { }
        default_type text/html;
        charset utf-8;
        add_header Retry-After ${RETRY_AFTER} always;
        add_header Cache-Control no-store always;
        return 503 "${MAINTENANCE_PAGE}";
    }

    location = ${STAMP_PATH} {
        default_type text/plain;
        if ($kedge_probe = "") { return 404; }
        return 200 "${stamp}";
    }

    location ~ "^/\\.well-known/acme-challenge/[A-Za-z0-9_-]+$" {
        default_type text/plain;
        try_files $uri =404;
    }

    location ~ "/\\.(?!well-known(/|$))" { return 404; }
${refusedPaths(site)}
    location ~* "\\.php$" {
        try_files $uri =404;
        fastcgi_pass ${quoted(`unix:${site.phpSocket}`, "FPM's socket")};
        fastcgi_intercept_errors off;
${FASTCGI_PARAMETERS.map(([name, value]) => `        fastcgi_param ${name} ${value};`).join('\n')}
    }

    location / {
        try_files $uri $uri/ /index.php?$args;
    }
}
`;
}

/** What a kind of site has in its folder that nobody may ask for. */
function refusedPaths(site: SiteLocation): string {
  const refuse = (match: string): string => `    location ${match} { return 404; }\n`;
  if (site.kind === 'wordpress') {
    return refuse('~* "/wp-config[^/]*$"') + refuse('~* "^/wp-content/uploads/.*\\.(php[0-9]?|phtml|phar)(/|$)"');
  }
  // PHP is executed, anything else would be sent with its passwords.
  const { settings } = site;
  if (settings === undefined || /\.php$/i.test(settings.file)) return '';
  return refuse(`= ${quoted(`/${settings.file}`, 'the settings file')}`);
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

const MAINTENANCE_PAGE = [
  "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Maintenance</title></head>",
  '<body><h1>Maintenance</h1><p>This site is being worked on. Please come back in a few minutes.</p></body></html>',
].join('');

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
