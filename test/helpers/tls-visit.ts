import { request } from 'node:https';
import { connect } from 'node:http2';
import type { Visit } from '../core/web/web-lab';

/** A visitor's request by TLS, not made by the code under test. */
export function visitTls(port: number, uri: string, path: string): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...{ host: '127.0.0.1', port, path, servername: uri, rejectUnauthorized: false, agent: false },
        headers: { host: uri },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** The same by HTTP/2. */
export function visitHttp2(port: number, uri: string, path: string): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: uri });
    session.once('error', reject);
    const stream = session.request({ ':path': path, ':authority': uri });
    let headers: Visit['headers'] & { ':status'?: number } = {};
    const chunks: Buffer[] = [];
    stream.once('response', (given) => (headers = given as typeof headers));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('error', reject);
    stream.once('end', () => {
      session.close();
      resolve({ status: headers[':status'] ?? 0, headers, body: Buffer.concat(chunks).toString('utf8') });
    });
    stream.end();
  });
}
