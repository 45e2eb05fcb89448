import { posix } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import { contentMarkOf } from './content-mark';
import type { Host } from '../hosts/host';
import { askFastCgi } from '../php/fast-cgi';
import { assertOwnListener } from '../php/fpm-socket';
import type { ProbeAnswer } from './web-server';

const TIME_LIMIT_MS = 10_000;
const MAXIMUM_ANSWER_BYTES = 8 * 1024 * 1024;

/** Where an application is, as its web server has it. */
export interface Application {
  readonly site: SiteLocation;
  /** Where its PHP runs. */
  readonly host: Host;
  /** Folder in which the web server looks for its files. */
  readonly documentRoot: string;
}

/**
 * One GET that the application itself answers, by the site's own FPM: past passwords, addresses and rules of the web server,
 * and past its maintenance page. A path to a PHP file is that file, any other one goes to the front controller, `index.php`.
 * `url` is what the application takes for the address it was asked at.
 * @throws KedgeError ProbeFailed when PHP does not answer, or with no page
 */
export async function askApplication(
  { site, host, documentRoot }: Application,
  url: URL,
  { authorization }: { readonly authorization?: string },
  { signal }: Operation,
): Promise<ProbeAnswer> {
  const tls = url.protocol === 'https:';
  // Of a URL it has no `..` left.
  const script = /^(?:\/[\w.-]+)+\.php$/.test(url.pathname) ? url.pathname : '/index.php';
  const output = await askFastCgi({
    host,
    socket: site.phpSocket,
    assertListener: () => assertOwnListener(host, site),
    parameters: {
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_PROTOCOL: 'HTTP/1.1',
      SERVER_SOFTWARE: 'Kedge',
      REQUEST_METHOD: 'GET',
      REQUEST_URI: `${url.pathname}${url.search}`,
      QUERY_STRING: url.search.slice(1),
      REQUEST_SCHEME: tls ? 'https' : 'http',
      ...(tls ? { HTTPS: 'on' } : {}),
      SCRIPT_NAME: script,
      DOCUMENT_URI: script,
      SCRIPT_FILENAME: posix.join(documentRoot, script),
      DOCUMENT_ROOT: documentRoot,
      SERVER_NAME: url.hostname,
      SERVER_PORT: url.port === '' ? (tls ? '443' : '80') : url.port,
      SERVER_ADDR: '127.0.0.1',
      REMOTE_ADDR: '127.0.0.1',
      REDIRECT_STATUS: '200',
      HTTP_HOST: url.host,
      ...(authorization === undefined ? {} : { HTTP_AUTHORIZATION: authorization }),
      HTTP_USER_AGENT: 'Kedge',
      HTTP_ACCEPT: 'text/html,*/*;q=0.5',
    },
    timeoutMs: TIME_LIMIT_MS,
    maximumBytes: MAXIMUM_ANSWER_BYTES,
    signal,
  });
  const end = /\r?\n\r?\n/.exec(output.toString('latin1'));
  if (!end) throw new KedgeError('ProbeFailed', `PHP of ${site.uri} answers without headers`, { site: site.uri });
  const head = output.toString('latin1', 0, end.index);
  const header = (name: string): string | undefined => new RegExp(`^${name}:[ \\t]*(.*?)\\s*$`, 'im').exec(head)?.[1];
  const status = Number(/^\d{3}/.exec(header('Status') ?? '200')?.[0] ?? 0);
  const body = output.subarray(end.index + end[0].length);
  return {
    status,
    retryAfter: header('Retry-After') ?? null,
    location: header('Location') ?? null,
    challenge: header('WWW-Authenticate') ?? null,
    mark: contentMarkOf(status, header('Content-Type'), body),
  };
}
