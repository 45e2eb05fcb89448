/** Header by which a probe passes the maintenance page. Its value names a file: a web server takes nothing but hex. */
export const PROBE_HEADER = 'X-Kedge-Probe';

/** Seconds a visitor is asked to wait. */
export const RETRY_AFTER = 120;

/** Without double quotes, dollar and percent signs: it stands in configurations as one quoted word. */
export const MAINTENANCE_PAGE = [
  "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Maintenance</title></head>",
  '<body><h1>Maintenance</h1><p>This site is being worked on. Please come back in a few minutes.</p></body></html>',
].join('');
