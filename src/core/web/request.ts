import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Agent as AgentTls, request as requestTls } from 'node:https';
import { isNativeError } from 'node:util/types';
import { KedgeError } from '../../contract/errors';
import type { Listen } from '../../contract/target';
import { firstBytes } from '../first-bytes';
import { contentMarkOf } from './content-mark';
import type { ProbeAnswer } from './web-server';

const TIME_LIMIT_MS = 10_000;
const MAXIMUM_BODY_BYTES = 256 * 1024;

export interface WebRequest {
  readonly server: string;
  readonly listen: Listen;
  /** A name of the site, as a visitor's Host header has it. */
  readonly uri: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of {@link connectionTo}: the request goes by its one connection, as long as the server keeps that open. Default: one of its own. */
  readonly agent?: Agent;
  readonly signal: AbortSignal;
}

/**
 * One connection for several requests, one after the other: one worker of the server answers them all, whatever other workers have
 * cached, or not loaded yet. `destroy` closes it.
 */
export function connectionTo({ tls }: Pick<Listen, 'tls'>): Agent {
  return new (tls ? AgentTls : Agent)({ keepAlive: true, maxSockets: 1 });
}

export interface WebResponse extends ProbeAnswer {
  /** At most the first 256 KiB. */
  readonly body: Buffer;
}

/**
 * One GET; redirects are not followed. Ends after 10 s.
 * @throws KedgeError ProbeFailed when no whole answer comes, with the network's error as cause; the signal's reason
 */
export async function ask(question: WebRequest): Promise<WebResponse> {
  const { server, listen, uri, path, signal } = question;
  signal.throwIfAborted();
  const timeLimit = AbortSignal.timeout(TIME_LIMIT_MS);
  try {
    const response = await send(question, AbortSignal.any([signal, timeLimit]));
    const body = await firstBytes(response, MAXIMUM_BODY_BYTES);
    const status = response.statusCode ?? 0;
    return {
      status,
      retryAfter: response.headers['retry-after'] ?? null,
      location: response.headers.location ?? null,
      challenge: response.headers['www-authenticate'] ?? null,
      mark: contentMarkOf(status, response.headers['content-type'], body),
      body,
    };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    const why = timeLimit.aborted ? `no answer within ${TIME_LIMIT_MS / 1000} s` : messageOf(cause);
    throw new KedgeError(
      'ProbeFailed',
      `${server} does not answer for ${uri}${path} on ${listen.address}:${listen.port}: ${why}`,
      { site: uri, server, cause },
    );
  }
}

/** True when nothing listened at all. */
export function nobodyListened(error: unknown): boolean {
  if (!isNativeError(error) || !isNativeError(error.cause)) return false;
  return 'code' in error.cause && error.cause.code === 'ECONNREFUSED';
}

function send(question: WebRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { agent, ...alone } = question;
  const { listen, uri, path, headers } = alone;
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = (listen.tls ? requestTls : request)({
      host: reachable(listen.address),
      port: listen.port,
      path: path.replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent),
      headers: {
        host: listen.port === (listen.tls ? 443 : 80) ? uri : `${uri}:${listen.port}`,
        'user-agent': 'Kedge',
        accept: 'text/html,*/*;q=0.5',
        'accept-encoding': 'identity',
        ...(agent === undefined ? { connection: 'close' } : {}),
        ...headers,
      },
      agent: agent ?? false,
      servername: uri,
      // Its own server, at its own address: what it answers matters, not who vouches for it.
      rejectUnauthorized: false,
      signal,
    });
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => {
      // The server closed the connection between two requests, as it may.
      if (!outgoing.reusedSocket || signal.aborted) reject(error);
      else resolve(send(alone, signal));
    });
    outgoing.end();
  });
}

/** Where a listener on all addresses is reached. */
function reachable(address: string): string {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare === '*' || bare === '0.0.0.0') return '127.0.0.1';
  return bare === '::' ? '::1' : bare;
}

function messageOf(error: unknown): string {
  return isNativeError(error) ? error.message : String(error);
}
