import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { contentMarkOf } from '../../../src/core/web/content-mark';
import type { Host } from '../../../src/core/hosts/host';
import { ask, connectionTo, nobodyListened } from '../../../src/core/web/request';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import type { SiteLocation } from '../../../src/contract/target';
import { pipedHost } from '../../helpers/host-program';
import { testOperation } from '../../helpers/operation';
import { host, put, startWebLab, type WebLab } from './web-lab';

const servers: (Server | TcpServer)[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
const serve = (listener: RequestListener) => listen(createServer(listener));

const question = (port: number, path = '/', signal = new AbortController().signal) => ({
  server: 'lab',
  host,
  listen: { address: '127.0.0.1', port },
  uri: 'a.example',
  path,
  signal,
});

describe('asking', () => {
  test('names the site and the port as a browser does, and follows nothing', async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      seen.push(request.headers.host, request.method, request.url);
      response.writeHead(302, { location: '/elsewhere', 'retry-after': '9' }).end();
    });
    const answer = await ask(question(port, '/ä b?x=ü'));
    expect(answer).toMatchObject({
      status: 302,
      retryAfter: '9',
      location: '/elsewhere',
      mark: { status: 302, title: null },
    });
    expect(seen).toEqual([`a.example:${port}`, 'GET', '/%C3%A4%20b?x=%C3%BC']);
  });

  test.each(['0.0.0.0', '*'])('reaches a server that listens on %s', async (address) => {
    const port = await serve((_request, response) => void response.end('<title>x</title>'));
    const answer = await ask({ ...question(port), listen: { address, port } });
    expect(answer.mark).toEqual({ status: 200, title: 'x' });
  });

  test('goes by one connection where it is told to, and by another one where the server closed that', async () => {
    const connections: Socket[] = [];
    const answered = new WeakSet<Socket>();
    const port = await serve((request, response) => {
      const { socket } = request;
      if (!connections.includes(socket)) connections.push(socket);
      // As a server does that closed it before the request came.
      else if (request.url === '/closed' && answered.has(socket)) return void socket.destroy();
      answered.add(socket);
      response.end('yes');
    });
    const agent = connectionTo(host, {});
    const get = async (path: string) => (await ask({ ...question(port, path), agent })).status;
    try {
      expect([await get('/a'), await get('/b'), connections.length]).toEqual([200, 200, 1]);
      expect([await get('/closed'), connections.length]).toEqual([200, 2]);
    } finally {
      agent.destroy();
    }
    expect((await ask(question(port))).status).toBe(200);
    expect(connections).toHaveLength(3);
  });

  test('is cancelled while the connection is made', async () => {
    const never: Host = Object.assign(Object.create(host) as Host, {
      connectTo: (_address: unknown, signal: AbortSignal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    const controller = new AbortController();
    const asking = ask({ ...question(1, '/', controller.signal), host: never });
    const agent = connectionTo(never, {});
    const byAgent = ask({ ...question(1, '/', controller.signal), host: never, agent });
    controller.abort(new Error('stop'));
    await expect(asking).rejects.toThrow('stop');
    await expect(byAgent).rejects.toThrow('stop');
  });

  test('reads no more than it may of an endless body', async () => {
    const port = await serve((request, response) => {
      response.setHeader('content-type', 'text/html');
      response.write('<title>endless</title>');
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65536)));
      };
      response.on('drain', more);
      request.on('close', () => response.off('drain', more));
      more();
    });
    const answer = await ask(question(port));
    expect(answer.mark.title).toBe('endless');
    expect(answer.body).toHaveLength(256 * 1024);
  });

  const failure = (text: string) => ({
    code: 'ProbeFailed',
    site: 'a.example',
    server: 'lab',
    message: expect.stringContaining(text),
  });

  test('fails where nobody listens', async () => {
    await expect(ask(question(1))).rejects.toMatchObject(failure('ECONNREFUSED'));
  });

  test.each([
    ['closes', ''],
    ['talks something else', 'SSH-2.0-OpenSSH\r\n'],
    ['ends in mid-answer', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'],
    ['sends endless headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(100_000)}`],
  ])('fails on a server that %s', async (_what, text) => {
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => void socket.end(text));
      }),
    );
    await expect(ask(question(port))).rejects.toMatchObject({ code: 'ProbeFailed' });
  });

  test('is cancelled at once, before the answer or in the middle of it', async () => {
    const controller = new AbortController();
    const silent = await serve(() => controller.abort(new Error('stop')));
    await expect(ask(question(silent, '/', controller.signal))).rejects.toThrow('stop');
    const other = new AbortController();
    const half = await serve((_request, response) => {
      response.write('half', () => other.abort(new Error('stop')));
    });
    await expect(ask(question(half, '/', other.signal))).rejects.toThrow('stop');
    for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  });
});

describe('from a host that is reached by a connection', () => {
  const remote = pipedHost();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp('/var/tmp/kr');
  });
  afterAll(async () => {
    await remote.host.close();
    await rm(folder, { recursive: true });
  });
  const there = (port: number, path = '/') => ({ ...question(port, path), host: remote.host });

  test.each([false, true])('asks by TLS or without, also several times by one connection (TLS: %s)', async (tls) => {
    const names: unknown[] = [];
    const connections = new Set<Socket>();
    const listener: RequestListener = ({ socket }, response) => {
      connections.add(socket);
      response.setHeader('content-type', 'text/html').end(`<title>${'x'.repeat(100)}</title>`);
    };
    const port = await listen(tls ? createTlsServer(certificate(folder, names), listener) : createServer(listener));
    const agent = connectionTo(remote.host, { tls });
    try {
      for (const by of [{ agent }, { agent }, {}, { host }]) {
        const answer = await ask({ ...there(port), listen: { address: '0.0.0.0', port, tls }, ...by });
        expect(answer).toMatchObject({ status: 200, mark: { title: 'x'.repeat(100) } });
      }
    } finally {
      agent.destroy();
    }
    expect(connections.size).toBe(3);
    expect(names).toEqual(tls ? ['a.example', 'a.example', 'a.example'] : []);
  });

  test('tells nobody who listens from a host that is lost in the middle of an answer', async () => {
    const refused = await ask(there(1)).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'ProbeFailed', cause: { code: 'ECONNREFUSED' } });
    expect(nobodyListened(refused)).toBe(true);
    const port = await serve((_request, response) => {
      response.write('half', () => remote.channels.at(-1)?.child.kill('SIGKILL'));
    });
    await expect(ask(there(port))).rejects.toMatchObject({ code: 'HostUnreachable', server: 'there' });
    const silent = await serve(() => remote.channels.at(-1)?.child.kill('SIGKILL'));
    await expect(ask(there(silent))).rejects.toMatchObject({ code: 'HostUnreachable', server: 'there' });
  });
});

/** A certificate of its own, and the names that are asked for. */
function certificate(folder: string, names: unknown[]): ServerOptions {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-subj', '/CN=other.example', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  return {
    key: readFileSync(key),
    cert: readFileSync(cert),
    SNICallback: (name, done) => {
      names.push(name);
      done(null);
    },
  };
}

describe('a content mark', () => {
  const titleOf = (html: string | Buffer, type: string | undefined = 'text/html') =>
    contentMarkOf(200, type, Buffer.from(html)).title;
  test.each([
    ['<html><TITLE lang="de">\n  Ein\n Titel </TITLE>', 'Ein Titel'],
    ['<title></title>', ''],
    ['<titles>no</titles><title>yes</title><title>second</title>', 'yes'],
    ['<title>never ended', null],
    ['<title', null],
    ['', null],
    ['<title>Grüße – “x”</title>', 'Grüße – “x”'],
    [`<title>${'x'.repeat(5000)}</title>`, 'x'.repeat(1000)],
  ])('is taken from page %#', (html, title) => expect(titleOf(html)).toBe(title));

  test('minds charset and type', () => {
    expect(titleOf(Buffer.from('<title>Grüße</title>', 'latin1'), 'text/html; charset=iso-8859-1')).toBe('Grüße');
    expect(titleOf('<title>x</title>', 'text/html; charset=no-such')).toBe('x');
    expect(titleOf('<title>x</title>', 'application/json')).toBeNull();
    expect(titleOf('<title>x</title>', undefined)).toBe('x');
  });

  test.each(['<title', '<title ', '<title>', '<title>x</titl', '<'])(
    'of a hostile page of %j is found in linear steps',
    (piece) => {
      const page = piece.repeat(Math.floor((256 * 1024) / piece.length));
      // Quadratic work would take minutes; the time limit of the test is what notices.
      expect(() => titleOf(page)).not.toThrow();
    },
  );
});

describe('a real site', () => {
  let lab: WebLab;
  let site: SiteLocation;
  beforeAll(async () => {
    lab = await startWebLab();
    site = await lab.makeSite('a.example');
    await put(join(site.root, 'broken.php'), '<?php http_response_code(500); throw new Exception("x");');
    await lab.web.writeVhost(site, testOperation());
  });
  afterAll(() => lab?.stop());

  test('answers', async () => {
    expect(await lab.web.request(site, '/', testOperation())).toEqual({
      status: 200,
      retryAfter: null,
      location: null,
      challenge: null,
      mark: { status: 200, title: 'Home of a.example' },
    });
    expect((await lab.web.request(site, '/broken.php', testOperation())).status).toBe(500);
  });

  test('whose web server listens nowhere is a mistake in the configuration', async () => {
    const nowhere = createNginx({ address: { ...lab.nginx.address, listen: [] }, host });
    await expect(nowhere.request(site, '/', testOperation())).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
  });

  test('whose PHP is down answers 502, whose server is down does not answer', async () => {
    await lab.php.stop();
    expect((await lab.web.probe(site, '/', testOperation())).status).toBe(502);
    expect(await lab.web.refreshPhp(site, testOperation())).toMatchObject({ state: 'no answer' });
    await lab.nginx.stop();
    await expect(lab.web.probe(site, '/', testOperation())).rejects.toMatchObject({ code: 'ProbeFailed' });
  });
});
