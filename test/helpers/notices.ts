import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Notice, noticeOf } from '../../src/contract/notices';

/** A notice of a failed backup. */
export function someNotice(changes: Partial<Notice> = {}): Notice {
  return noticeOf({
    id: 'a'.repeat(24),
    event: 'task-failed',
    state: 'firing',
    master: 'backup1',
    site: 'gazette.example',
    task: 'gazette.example-20261124.031502-backup',
    code: 'DiskFull',
    message: 'backup of gazette.example failed: no space left',
    hint: 'Make room.',
    since: '2026-11-24T03:15:41.000Z',
    time: '2026-11-24T03:15:42.000Z',
    ...changes,
  });
}

export interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A web server of the test's own, which answers as it is told and keeps what it was sent. */
export class ReceivingServer {
  readonly received: Received[] = [];
  answer: (response: ServerResponse, request: Received) => void = (response) => response.end('thanks');

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ReceivingServer> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url: path, headers } = request;
        const received = { method, path, headers, body: Buffer.concat(chunks).toString() };
        receiving.received.push(received);
        receiving.answer(response, received);
      });
    });
    const receiving = new ReceivingServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiving;
  }

  url(path = '/'): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  /** The notices it was sent. */
  get notices(): Notice[] {
    return this.received.map(({ body }) => JSON.parse(body) as Notice);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
