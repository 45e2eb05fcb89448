import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { freePort } from '../../../scripts/lab/free-port';
import { type Endpoint, askEndpoint, openEndpoint } from '../../../src/core/metrics/endpoint';

const TEXT = '# HELP kedge_build_info Which.\n# TYPE kedge_build_info gauge\nkedge_build_info{master="m"} 1\n';
const opened: Endpoint[] = [];
afterEach(async () => {
  for (const endpoint of opened.splice(0)) await endpoint.close();
});

async function open(text: () => Promise<string> = async () => TEXT, address = '127.0.0.1'): Promise<number> {
  const port = await freePort();
  opened.push(await openEndpoint({ address, port }, text));
  return port;
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

function get(port: number, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.once('end', () =>
        resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
      );
    })
      .once('error', reject)
      .end();
  });
}

it('answers GET /metrics in the text format, and nothing else', async () => {
  const port = await open();
  expect(await get(port, '/metrics')).toEqual({
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: TEXT,
  });
  expect(await get(port, '/metrics?collect[]=x')).toMatchObject({ status: 200 });
  expect(await get(port, '/metrics', 'HEAD')).toMatchObject({ status: 200, body: '' });
  for (const path of ['/', '/metrics/', '/debug/pprof', '//metrics', '/../metrics'])
    expect([path, (await get(port, path)).status]).toEqual([path, 404]);
  for (const method of ['POST', 'PUT', 'DELETE']) expect((await get(port, '/metrics', method)).status).toBe(405);
});

it('what cannot be gathered is 500, and says nothing of why', async () => {
  const port = await open(async () => {
    throw new Error('the password is hunter2');
  });
  const { status, body } = await get(port, '/metrics');
  expect(status).toBe(500);
  expect(body).not.toContain('hunter2');
});

it('listens at its address alone, and an address that cannot be had is an error', async () => {
  const port = await open();
  await expect(openEndpoint({ address: '127.0.0.1', port }, async () => TEXT)).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  await expect(openEndpoint({ address: '192.0.2.1', port }, async () => TEXT)).rejects.toMatchObject({
    code: 'EADDRNOTAVAIL',
  });
  // Another address of this machine.
  expect(await askEndpoint({ address: '127.0.0.2', port }, AbortSignal.timeout(5000))).toMatchObject({ is: 'nobody' });
});

it('is closed with those who are connected, and gives its port back', async () => {
  const port = await freePort();
  const endpoint = await openEndpoint({ address: '127.0.0.1', port }, () => new Promise(() => undefined));
  const idle = connect(port, '127.0.0.1');
  const waiting = get(port, '/metrics').catch((error: NodeJS.ErrnoException) => error.code);
  await new Promise((resolve) => idle.once('connect', resolve));
  const gone = new Promise((resolve) => idle.once('close', resolve));
  idle.once('error', () => undefined);
  await endpoint.close();
  await gone;
  expect(await waiting).toBe('ECONNRESET');
  opened.push(await openEndpoint({ address: '127.0.0.1', port }, async () => TEXT));
});

it("knows Kedge's metrics from another program's answer, and from nobody", async () => {
  const port = await open();
  const ask = (at: number) => askEndpoint({ address: '0.0.0.0', port: at }, AbortSignal.timeout(5000));
  expect(await ask(port)).toEqual({ is: 'metrics', text: TEXT });
  expect(await ask(await freePort())).toMatchObject({ is: 'nobody' });
  const other = createServer((_asked, answer) => answer.end('node_cpu_seconds_total 1\n'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  try {
    expect(await ask((other.address() as AddressInfo).port)).toMatchObject({ is: 'another' });
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});
