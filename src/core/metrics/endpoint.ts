import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import { withListener } from '../streams';
import { CONTENT_TYPE } from './exposition';

/** Where Prometheus asks. */
export interface EndpointAddress {
  /** An IP address of this machine, or one that stands for all of them. */
  readonly address: string;
  readonly port: number;
}

export interface Endpoint {
  /** Ends connections too. */
  close(): Promise<void>;
}

const PATH = '/metrics';
/** Whoever asks reads soon, or is cut off, ms. */
const REQUEST_LIMIT_MS = 30_000;
/** More than these ask at one time only by mistake. */
const MAXIMUM_CONNECTIONS = 32;

/**
 * Answers GET /metrics with what `text` says, at this address alone, and nothing else.
 * @throws Error of Node's when it cannot listen there: EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export async function openEndpoint({ address, port }: EndpointAddress, text: () => Promise<string>): Promise<Endpoint> {
  const server = createServer((asked, answer) => void reply(asked, answer, text));
  server.maxConnections = MAXIMUM_CONNECTIONS;
  server.requestTimeout = REQUEST_LIMIT_MS;
  server.headersTimeout = REQUEST_LIMIT_MS;
  server.setTimeout(REQUEST_LIMIT_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true }, () => resolve());
  });
  withListener(server);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function reply(asked: IncomingMessage, answer: ServerResponse, text: () => Promise<string>): Promise<void> {
  const end = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
    answer.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' });
    answer.end(asked.method === 'HEAD' ? '' : body);
  };
  if (asked.method !== 'GET' && asked.method !== 'HEAD') return end(405, 'only GET\n');
  if (asked.url?.split('?')[0] !== PATH) return end(404, `metrics are at ${PATH}\n`);
  try {
    end(200, await text(), CONTENT_TYPE);
  } catch {
    // What went wrong may hold anything; it is told where the worker tells.
    end(500, 'the metrics could not be gathered\n');
  }
}

/** What is found at an address. */
export type FoundEndpoint =
  | { readonly is: 'metrics'; readonly text: string }
  /** Nobody listens, or another program does; `why` in words. */
  | { readonly is: 'nobody' | 'another'; readonly why: string };

/** Asks an endpoint as Prometheus would, from this machine. */
export async function askEndpoint({ address, port }: EndpointAddress, signal: AbortSignal): Promise<FoundEndpoint> {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return new Promise((resolve) => {
    const outgoing = request({ host, port, path: PATH, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (chunks.length > MAXIMUM_CHUNKS) response.destroy();
      });
      response.once('close', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200 && /^kedge_build_info\{/m.test(text)) resolve({ is: 'metrics', text });
        else resolve({ is: 'another', why: `what listens there answers ${PATH} with ${response.statusCode}` });
      });
    });
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      const nobody = error.code === 'ECONNREFUSED' || error.code === 'EADDRNOTAVAIL' || error.code === 'ENETUNREACH';
      resolve({ is: nobody ? 'nobody' : 'another', why: error.message });
    });
    outgoing.end();
  });
}

/** Of at most 64 KiB each. */
const MAXIMUM_CHUNKS = 1000;
