import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { isNativeError } from 'node:util/types';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Listen } from '../../contract/target';
import { firstBytes } from '../first-bytes';
import type { Host } from '../hosts/host';
import { contentMarkOf } from './content-mark';
import { HostAgent } from './host-agent';
import { reachableAddress } from './reachable-address';
import type { ProbeAnswer } from './web-server';

const TIME_LIMIT_MS = 10_000;
const MAXIMUM_BODY_BYTES = 256 * 1024;

export interface WebRequest {
  readonly server: string;
  /** The machine of the web server, from which it is asked. */
  readonly host: Host;
  readonly listen: Listen;
  /** A name of the site, as a visitor's Host header has it. */
  readonly uri: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of {@link connectionTo}: the request goes by its one connection, as long as the server keeps that open. Default: one of its own. */
  readonly agent?: HostAgent;
  readonly signal: AbortSignal;
}

/**
 * One connection for several requests, one after the other: one worker of the server answers them all, whatever other workers have
 * cached, or not loaded yet. `destroy` closes it.
 */
export function connectionTo(host: Host, { tls = false }: Pick<Listen, 'tls'>): HostAgent {
  return new HostAgent(host, { tls, keepAlive: true });
}

export interface WebResponse extends ProbeAnswer {
  /** At most the first 256 KiB. */
  readonly body: Buffer;
}

/**
 * One GET; redirects are not followed. Ends after 10 s.
 * @throws KedgeError ProbeFailed when no whole answer comes, with the network's error as cause; HostUnreachable; the signal's reason
 */
export async function ask(question: WebRequest): Promise<WebResponse> {
  const { server, listen, uri, path, signal } = question;
  signal.throwIfAborted();
  const timeLimit = AbortSignal.timeout(TIME_LIMIT_MS);
  const { host, agent, ...asked } = question;
  const own = new HostAgent(host, { tls: listen.tls ?? false, keepAlive: false });
  try {
    const response = await send(asked, agent ?? own, own, AbortSignal.any([signal, timeLimit]));
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
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const cause = own.lost ?? agent?.lost ?? error;
    if (isKedgeError(cause)) throw cause;
    const why = timeLimit.aborted ? `no answer within ${TIME_LIMIT_MS / 1000} s` : messageOf(cause);
    throw new KedgeError(
      'ProbeFailed',
      `${server} does not answer for ${uri}${path} on ${listen.address}:${listen.port}: ${why}`,
      { site: uri, server, cause },
    );
  } finally {
    own.destroy();
  }
}

/** True when nothing listened at all. */
export function nobodyListened(error: unknown): boolean {
  if (!isNativeError(error) || !isNativeError(error.cause)) return false;
  return 'code' in error.cause && error.cause.code === 'ECONNREFUSED';
}

/** Sends by an agent; by `own` where the connection of the other is closed. */
function send(
  asked: Omit<WebRequest, 'host' | 'agent'>,
  agent: HostAgent,
  own: HostAgent,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { listen, uri, path, headers } = asked;
  return new Promise((resolve, reject) => {
    const options: RequestOptions & { servername: string } = {
      host: reachableAddress(listen.address),
      port: listen.port,
      path: path.replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent),
      headers: {
        host: listen.port === (listen.tls ? 443 : 80) ? uri : `${uri}:${listen.port}`,
        'user-agent': 'Kedge',
        accept: 'text/html,*/*;q=0.5',
        'accept-encoding': 'identity',
        ...(agent === own ? { connection: 'close' } : {}),
        ...headers,
      },
      agent,
      servername: uri,
      signal,
    };
    const giveUp = (): void => agent.giveUp(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    const outgoing = request(options);
    outgoing.once('socket', () => signal.removeEventListener('abort', giveUp));
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => {
      signal.removeEventListener('abort', giveUp);
      // The server closed the connection between two requests, as it may.
      if (!outgoing.reusedSocket || signal.aborted) reject(error);
      else resolve(send(asked, own, own, signal));
    });
    outgoing.end();
  });
}

function messageOf(error: unknown): string {
  return isNativeError(error) ? error.message : String(error);
}
