import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { KedgeError } from '../../../src/contract/errors';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Host } from '../../../src/core/hosts/host';
import { askFastCgi, encodeRequest, isListening } from '../../../src/core/php/fast-cgi';
import { until } from '../../helpers/until';

const HOST = createLocalHost({ name: 'lab' });
let folder: string;
const servers: Server[] = [];
beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/kf');
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

function record(type: number, content: string | Buffer, padding = 0): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    Buffer.from([1, type, 0, 1, bytes.length >> 8, bytes.length & 255, padding, 0]),
    bytes,
    Buffer.alloc(padding, 7),
  ]);
}
const STDOUT = 6;
const STDERR = 7;
const END = record(3, Buffer.alloc(8));

/** A responder that sends these pieces, each in a write of its own. */
async function responder(pieces: readonly Buffer[], close = true): Promise<string> {
  const path = join(folder, `${servers.length}-${Math.random().toString(36).slice(2)}.sock`);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', async () => {
      for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
      if (close) socket.end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

const ask = (
  socket: string,
  limits: {
    timeoutMs?: number;
    maximumBytes?: number;
    signal?: AbortSignal;
    assertListener?: () => Promise<void>;
    host?: Host;
  } = {},
) =>
  askFastCgi({
    host: HOST,
    socket,
    assertListener: () => Promise.resolve(),
    parameters: { A: 'b' },
    timeoutMs: 5000,
    maximumBytes: 100_000,
    signal: new AbortController().signal,
    ...limits,
  });

test('a request as the specification has it', () => {
  const params = Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0x80, 0, 0, 2]), Buffer.from('Abc')]);
  expect(encodeRequest({ A: 'bc' })).toEqual(
    Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, params), record(4, ''), record(5, '')]),
  );
});

test('a value longer than a record is cut into several', () => {
  const encoded = encodeRequest({ A: 'x'.repeat(70_000) });
  const types: number[] = [];
  for (let at = 0; at < encoded.length; at += 8 + encoded.readUInt16BE(at + 4)) types.push(encoded.readUInt8(at + 1));
  expect(types).toEqual([1, 4, 4, 4, 5]);
});

test('an answer in one piece, in pieces of one byte, with padding and errors in between', async () => {
  const answer = Buffer.concat([
    record(STDOUT, 'a: b\r\n', 3),
    record(STDERR, 'warning'),
    record(STDOUT, '\r\nbody', 255),
    END,
  ]);
  expect((await ask(await responder([answer]))).toString()).toBe('a: b\r\n\r\nbody');
  const bytes = [...answer].map((byte) => Buffer.from([byte]));
  expect((await ask(await responder(bytes))).toString()).toBe('a: b\r\n\r\nbody');
});

test('who listens is looked at before a connection is made, and before anything is sent by it', async () => {
  const refusal = new KedgeError('ProbeFailed', 'account 7 listens there');
  const told: string[] = [];
  const server = createServer((socket) => {
    told.push('connected');
    socket.on('error', () => undefined);
    socket.on('data', () => void told.push('data'));
  });
  servers.push(server);
  const path = join(folder, 'taken-over.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const closed = (): Promise<boolean> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count === 0))),
    );
  await expect(ask(path, { assertListener: () => Promise.reject(refusal) })).rejects.toBe(refusal);
  expect(told).toEqual([]);
  let looks = 0;
  const takenOver = (): Promise<void> => ((looks += 1) === 1 ? Promise.resolve() : Promise.reject(refusal));
  await expect(ask(path, { assertListener: takenOver })).rejects.toBe(refusal);
  await until('the connection is over', async () => told.length > 0 && (await closed()));
  expect(told).toEqual(['connected']);
});

test('an answer that ends without closing is whole', async () => {
  expect((await ask(await responder([record(STDOUT, 'x'), END], false))).toString()).toBe('x');
});

const failed = (text: string | RegExp) => ({ code: 'ProbeFailed', message: expect.stringMatching(text) });

test.each([
  ['nothing', []],
  ['half a header', [Buffer.from([1, 6, 0])]],
  ['half a record', [record(STDOUT, 'abcdef').subarray(0, 10)]],
  ['no end', [record(STDOUT, 'abcdef')]],
  ['nonsense', [Buffer.from('HTTP/1.1 200 OK\r\n')]],
])('an answer of %s is an error', async (_what, pieces) => {
  await expect(ask(await responder(pieces))).rejects.toMatchObject(failed('in the middle of its answer'));
});

test('an answer without end is cut off', async () => {
  const endless = Array.from({ length: 100 }, () => record(STDOUT, 'x'.repeat(60_000)));
  await expect(ask(await responder(endless))).rejects.toMatchObject(failed('larger than 100000 bytes'));
});

test('no answer in time', async () => {
  await expect(ask(await responder([], false), { timeoutMs: 50 })).rejects.toMatchObject(failed('within 50 ms'));
});

test('nobody there', async () => {
  await expect(ask(join(folder, 'none'))).rejects.toMatchObject(failed('ENOENT'));
});

test('a machine that is away, or is lost before the answer, is no PHP that is down', async () => {
  const away = new KedgeError('HostUnreachable', 'lab is away', { server: 'lab' });
  const host: Host = Object.assign(Object.create(HOST) as Host, { connectTo: () => Promise.reject(away) });
  const path = join(folder, 'none');
  await expect(ask(path, { host })).rejects.toBe(away);
  await expect(isListening(host, path, new AbortController().signal)).rejects.toBe(away);
  expect(await isListening(HOST, path, new AbortController().signal)).toBe(false);
  const losing = Object.assign(Object.create(HOST) as Host, {
    async connectTo(...asked: Parameters<Host['connectTo']>) {
      const stream = await HOST.connectTo(...asked);
      return stream.once('readable', () => stream.destroy(away));
    },
  });
  await expect(ask(await responder([record(STDOUT, 'x')], false), { host: losing })).rejects.toBe(away);
});

test('cancelled', async () => {
  const controller = new AbortController();
  const asking = ask(await responder([record(STDOUT, 'x')], false), { signal: controller.signal });
  controller.abort(new Error('stop'));
  await expect(asking).rejects.toThrow('stop');
  await expect(ask(join(folder, 'none'), { signal: controller.signal })).rejects.toThrow('stop');
});
