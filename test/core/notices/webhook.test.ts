import { createServer as createRawServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { NOTICE, type Webhook } from '../../../src/contract/notices';
import { post } from '../../../src/core/notices/webhook';
import { ReceivingServer, someNotice } from '../../helpers/notices';

const TOKEN = 'Bearer kwak-7Zq9-token';
const notice = someNotice();
let server: ReceivingServer;
let secrets: Record<string, string>;

beforeEach(async () => {
  server = await ReceivingServer.start();
  secrets = { TOKEN };
});
afterEach(() => server.stop());

const readSecret = async (reference: object): Promise<string> => secrets[(reference as { env: string }).env] ?? '';

async function send(webhook: Partial<Webhook> = {}, timeLimitMs?: number): Promise<string> {
  const parts = { readSecret, ...(timeLimitMs === undefined ? {} : { timeLimitMs }) };
  const { url = server.url('/kedge'), headers = {} } = webhook;
  return post(notice, { url, headers }, parts, new AbortController().signal);
}

/** What it fails with, in all that is told of it. */
async function failure(webhook: Partial<Webhook> = {}, timeLimitMs?: number): Promise<string> {
  const error = await send(webhook, timeLimitMs).then(
    (answer) => new Error(`it was taken: ${answer}`),
    (reason: unknown) => reason as Error,
  );
  expect(error).toMatchObject({ name: 'KedgeError', code: 'NoticeUndelivered' });
  return error.message;
}

it('is sent the notice as JSON, with its headers and the id by which it is known again', async () => {
  expect(await send({ headers: { 'X-Team': 'web', Authorization: { env: 'TOKEN' } } })).toBe('200 OK: thanks');
  const [request] = server.received;
  expect(request).toMatchObject({ method: 'POST', path: '/kedge' });
  expect(request?.headers).toMatchObject({
    'content-type': 'application/json',
    'idempotency-key': notice.id,
    'x-team': 'web',
    authorization: TOKEN,
  });
  expect(NOTICE.schema.parse(JSON.parse(request?.body ?? ''))).toEqual(notice);
});

it('what is refused says by what, without path, query and secrets, although the answer repeats them', async () => {
  secrets['URL'] = server.url('/hooks/T0PSECRETPATH?key=7Zq9-in-the-query');
  server.answer = (response, { path, headers }) => {
    response.statusCode = 500;
    response.end(`\n<p>no: ${path} ${headers.authorization}\n${'x'.repeat(9000)}`);
  };
  const said = await failure({ url: { env: 'URL' }, headers: { Authorization: { env: 'TOKEN' } } });
  expect(said).toContain('answered 500 Internal Server Error: <p>no: ');
  expect(said).toContain('127.0.0.1:');
  expect(said).not.toMatch(/T0PSECRETPATH|7Zq9|kwak|xxx/);
});

it('a redirect is not followed: secrets go nowhere else', async () => {
  const elsewhere = await ReceivingServer.start();
  try {
    for (const status of [301, 302, 307, 308]) {
      server.answer = (response) => response.writeHead(status, { location: elsewhere.url('/steal?it=1') }).end();
      const said = await failure({ headers: { Authorization: { env: 'TOKEN' } } });
      expect(said).toContain(`sent it elsewhere (${status} `);
      expect(said).toContain(elsewhere.url('').replace(/\/$/, ''));
      expect(said).not.toContain('steal');
    }
    expect(elsewhere.received).toEqual([]);
  } finally {
    await elsewhere.stop();
  }
});

it('one who never answers, or never ends his answer, is left', async () => {
  server.answer = () => undefined;
  expect(await failure({}, 100)).toContain('no whole answer within 0.1 s');
  server.answer = (response) => void response.writeHead(200).write('a');
  expect(await failure({}, 100)).toContain('no whole answer within 0.1 s');
});

it('of an answer without end the beginning is read, and no more', async () => {
  let written = 0;
  let closed: () => void = () => undefined;
  const left = new Promise<void>((resolve) => (closed = resolve));
  server.answer = (response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('y'.repeat(64 * 1024))) written += 64 * 1024;
    };
    response.on('drain', more).on('close', closed);
    more();
  };
  expect(await send()).toBe(`200 OK: ${'y'.repeat(292)}`);
  await left;
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

it('where nobody listens, and what is no HTTP, says so', async () => {
  const url = server.url('/');
  await server.stop();
  expect(await failure({ url })).toMatch(/127\.0\.0\.1:\d+ did not take it: connect ECONNREFUSED/);
  server = await ReceivingServer.start();
  const raw = createRawServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end('SSH-2.0-OpenSSH\r\n'),
  );
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  try {
    expect(await failure({ url: `http://127.0.0.1:${(raw.address() as AddressInfo).port}/` })).toContain(
      'did not take it',
    );
  } finally {
    await new Promise((resolve) => raw.close(resolve));
  }
});

it.each([
  ['ftp://alerts.example/x-7Zq9', 'begins with https://'],
  ['not an address, but kwak', 'begins with https://'],
  ['https://anna:7Zq9@alerts.example/', 'without a login in it'],
  ['http://alerts.example/7Zq9', 'by https:// alone'],
])('an address that is a secret, and none to be used, is not told: %s', async (url, why) => {
  secrets['URL'] = url;
  const said = await failure({ url: { env: 'URL' } });
  expect(said).toContain(why);
  expect(said).not.toMatch(/7Zq9|kwak/);
});

it('a secret that is no header is named, not told', async () => {
  secrets['TOKEN'] = 'two\r\nlines: 7Zq9';
  const said = await failure({ headers: { Authorization: { env: 'TOKEN' } } });
  expect(said).toContain('its header Authorization');
  expect(said).not.toContain('7Zq9');
  expect(server.received).toEqual([]);
});

it('ends when it is cancelled', async () => {
  const controller = new AbortController();
  server.answer = () => controller.abort(new Error('the worker stops'));
  const sending = post(notice, { url: server.url('/'), headers: {} }, { readSecret }, controller.signal);
  await expect(sending).rejects.toThrow('the worker stops');
});
