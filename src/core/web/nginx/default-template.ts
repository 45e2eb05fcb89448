/**
 * The managed vhost, as a Mustache template. An administrator's own template may use the same names and partials; each
 * value is one whole word of nginx's language, quotes included. `kedge config template` prints it.
 */
export const DEFAULT_TEMPLATE = `server {
{{#listen}}
    listen {{.}};
{{/listen}}
{{#tls}}
{{#listenTls}}
    listen {{.}} ssl http2;
{{/listenTls}}
    ssl_certificate {{certificate}};
    ssl_certificate_key {{key}};
{{/tls}}
    server_name {{serverNames}};
    root {{root}};
    index index.php index.html;
    client_max_body_size 128m;

{{> maintenance}}
{{> redirects}}

    location ~ "/\\.(?!well-known(/|$))" { return 404; }
{{#refused}}
    location {{.}} { return 404; }
{{/refused}}

    location ~* "\\.php$" {
        try_files $uri =404;
        fastcgi_pass {{phpSocket}};
        fastcgi_intercept_errors off;
{{> fastcgi}}
    }

    location / {
        try_files $uri $uri/ /index.php?$args;
    }
{{#include}}

    include {{include}};
{{/include}}
}
`;

/** Every name a template may use. */
export const TEMPLATE_NAMES = [
  ...['listen', 'tls', 'listenTls', 'certificate', 'key', 'serverNames', 'uri', 'root', 'refused', 'phpSocket'],
  ...['include', '.'],
];

/** An ACME challenge: exempt from maintenance and redirects. */
export const ACME_CHALLENGE = '"^/\\.well-known/acme-challenge/[A-Za-z0-9_-]+$"';

/** The path certificate authorities ask for, the page, and where a loaded vhost tells its stamp. No template may go without. */
const MAINTENANCE = `    # Maintenance: looked up on each request, so that the page comes and goes without a reload.
    open_file_cache off;
    error_page {{maintenanceStatus}} =503 @kedge_maintenance;
    set $kedge_maintenance "";
    set $kedge_token none;
    set $kedge_probe "";
    if (-f {{flag}}) { set $kedge_maintenance on; }
    if ($uri ~ ${ACME_CHALLENGE}) { set $kedge_maintenance ""; }
    if ($http_x_kedge_probe ~ "^[0-9a-f]{32}$") { set $kedge_token $http_x_kedge_probe; }
    if (-f {{token}}) { set $kedge_probe on; }
    if ($kedge_probe) { set $kedge_maintenance ""; }
    if ($kedge_maintenance) { return {{maintenanceStatus}}; }

    location @kedge_maintenance {
        types { }
        default_type text/html;
        charset utf-8;
        add_header Retry-After {{retryAfter}} always;
        add_header Cache-Control no-store always;
        return 503 "{{maintenancePage}}";
    }

    location = {{stampPath}} {
        default_type text/plain;
        if ($kedge_probe = "") { return 404; }
        return 200 "{{stamp}}";
    }

    location ~ ${ACME_CHALLENGE} {
        default_type text/plain;
        try_files $uri =404;
    }
`;

const REDIRECTS = `{{#redirects}}

    # Redirects. Certificate challenges and probes are answered where they come.
    set $kedge_redirect "";
{{#https}}
    if ($scheme = http) { set $kedge_redirect "https://$host{{tlsPort}}$request_uri"; }
{{/https}}
{{#names}}
    if ($host = {{.}}) { set $kedge_redirect "{{origin}}$request_uri"; }
{{/names}}
    if ($uri ~ ${ACME_CHALLENGE}) { set $kedge_redirect ""; }
    if ($kedge_probe) { set $kedge_redirect ""; }
    if ($kedge_redirect) { return 301 $kedge_redirect; }
{{/redirects}}
`;

const FASTCGI = `{{#fastcgiParameters}}
        fastcgi_param {{name}} {{value}};
{{/fastcgiParameters}}
`;

/** What templates include by name. */
export const TEMPLATE_PARTIALS: Readonly<Record<string, string>> = {
  maintenance: MAINTENANCE,
  redirects: REDIRECTS,
  fastcgi: FASTCGI,
};
