import { type Server, type Socket, createServer } from 'node:net';
import { setInterval } from 'node:timers';
import { connect } from '../../../src/core/databases/admin-connection';
import type { ConnectionLimits } from '../../../src/core/databases/limited-connection';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { resolveHostName } from '../../../src/core/hosts/host-names';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

/* Servers that a site's settings may lead to: anybody's, and dead ones. */

const HOST = createLocalHost({ name: 'here' });
const QUICK: ConnectionLimits = { handshakeMs: 300, statementMs: 300, answerBytes: 64 * 1024 };
const LONG: ConnectionLimits = { handshakeMs: 60_000, statementMs: 60_000, answerBytes: 64 * 1024 };

/** Greeting of a server of protocol 10 without encryption, as MariaDB sends it, and the packets that let anybody in. */
const GREETING = packet(
  0,
  Buffer.concat([
    Buffer.from('\x0a5.5.5-10.11.0-MariaDB\0\x07\0\0\0saltsalt\0', 'latin1'),
    // Capabilities: protocol 41, secure connection, plugin authentication.
    Buffer.from([0x00, 0x82, 0x21, 0x02, 0x00, 0x08, 0x00, 21]),
    Buffer.alloc(10),
    Buffer.from('saltsaltsalt\0mysql_native_password\0', 'latin1'),
  ]),
);
const OK = Buffer.from([0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00]);

function packet(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(sequence, 3);
  return Buffer.concat([header, payload]);
}

interface HostileServer {
  readonly port: number;
  /** Resolves with the next connection. */
  readonly connected: Promise<Socket>;
  readonly closed: Promise<void>;
}

const servers: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(behave: (socket: Socket) => void): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  let onConnection: (socket: Socket) => void = () => undefined;
  let onClose: () => void = () => undefined;
  const connected = new Promise<Socket>((resolve) => (onConnection = resolve));
  const closed = new Promise<void>((resolve) => (onClose = resolve));
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', onClose);
    // What is never read would keep its end from being seen.
    socket.resume();
    behave(socket);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({ server, sockets });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, connected, closed };
}

/** Lets everybody in, and answers the first statement, which sets the session. What it does with the next is up to `answer`. */
function letIn(answer: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    let received = 0;
    socket.write(GREETING);
    socket.on('data', () => {
      received += 1;
      if (received === 1) socket.write(packet(2, OK));
      else if (received === 2) socket.write(packet(1, OK));
      else answer(socket);
    });
  };
}

/** Sends the pieces one by one, for ever, as fast as they are taken. */
function pour(socket: Socket, piece: (count: number) => Buffer): void {
  let count = 0;
  const on = (): void => {
    while (!socket.destroyed && socket.write(piece((count += 1))));
  };
  socket.on('drain', on);
  on();
}

/** A byte now and then, so that it is never silent for long. */
function trickle(socket: Socket, byte: number): void {
  const timer = setInterval(() => socket.write(Buffer.from([byte])), 20);
  socket.once('close', () => clearInterval(timer));
}

const silent = (): void => undefined;
const COLUMN = Buffer.from('\x03def\0\0\0\x01a\0\x0c\x3f\0\xff\xff\0\0\xfd\0\0\0\0\0', 'latin1');

test.each<[string, (socket: Socket) => void, RegExp]>([
  ['says nothing', silent, /let nobody in within 0\.3 s/],
  ['greets byte by byte', (socket) => trickle(socket, 0x20), /let nobody in within 0\.3 s/],
  [
    'greets and says no more',
    (socket) => {
      socket.write(GREETING);
    },
    /let nobody in within 0\.3 s/,
  ],
  ['lets in and does not answer', letIn(silent), /did not answer within 0\.3 s/],
  [
    'lets in and answers byte by byte',
    letIn((socket) => {
      socket.write(Buffer.from([0xff, 0xff, 0, 1]));
      trickle(socket, 0);
    }),
    /did not answer within 0\.3 s/,
  ],
  [
    'answers with rows without end',
    letIn((socket) => {
      socket.write(
        Buffer.concat([
          packet(1, Buffer.from([1])),
          packet(2, COLUMN),
          packet(3, Buffer.from('\xfe\0\0\0\0', 'latin1')),
        ]),
      );
      const row = Buffer.concat([Buffer.from([0xfc, 0xe8, 0x03]), Buffer.alloc(1000, 'x')]);
      pour(socket, (count) => packet((3 + count) % 256, row));
    }),
    /sent more than 65536 bytes/,
  ],
  [
    'announces a packet of 16 MB and sends it',
    (socket) => {
      socket.write(Buffer.from([0xff, 0xff, 0xff, 0]));
      pour(socket, () => Buffer.alloc(16 * 1024));
    },
    /sent more than 65536 bytes/,
  ],
])('one that %s is given up, and the connection with it', async (_what, behave, message) => {
  const { port, closed } = await serve(behave);
  const failure = await (async () => {
    const request = {
      host: HOST,
      endpoint: { host: '127.0.0.1', port },
      server: 'lab',
      user: 'shop',
      password: 'p',
      limits: QUICK,
    };
    const connection = await connect(request);
    await connection.query('SELECT 1 AS a');
  })().catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'DatabaseUnreachable',
    server: 'lab',
    message: expect.stringMatching(message),
  });
  await closed;
});

test.each([
  ['before it greets', silent],
  ['before it answers', letIn(silent)],
])('cancellation ends what waits for it %s', async (_what, behave) => {
  const { port, connected, closed } = await serve(behave);
  const stop = new AbortController();
  const request = { host: HOST, endpoint: { host: '127.0.0.1', port }, server: 'lab', user: 'shop', limits: LONG };
  const asking = (async () => (await connect({ ...request, signal: stop.signal })).query('SELECT 1 AS a'))();
  await connected;
  const reason = new Error('the test cancelled');
  stop.abort(reason);
  await expect(asking).rejects.toBe(reason);
  await closed;
});

test('one that ends the connection is not waited for', async () => {
  const { port } = await serve(letIn((socket) => void socket.end()));
  const request = { host: HOST, endpoint: { host: '127.0.0.1', port }, server: 'lab', user: 'shop', limits: LONG };
  const connection = await connect(request);
  await expect(connection.query('SELECT 1 AS a')).rejects.toMatchObject({ code: 'PROTOCOL_CONNECTION_LOST' });
});

describe('the database of a site', () => {
  let lab: DatabaseLab;
  beforeAll(async () => {
    lab = await openLab();
  });
  afterAll(() => lab?.close());
  const login = { database: 'shop', user: 'shop', password: 'pass-canary' };

  test('at a host that says nothing is not waited for once the task is cancelled', async () => {
    const { port, connected, closed } = await serve(silent);
    const operation = testOperation();
    const proving = lab.server.proveLogin({ ...login, address: `127.0.0.1:${port}` }, lab.host, operation);
    await connected;
    operation.cancel();
    await expect(proving).rejects.toThrow('the test cancelled');
    await closed;
  });

  test.each(['no-such-host.invalid', '-h', '$(id)', 'a b', 'x'.repeat(300)])('at %s is an error', async (host) => {
    await expect(
      lab.server.proveLogin({ ...login, address: `${host}:3306` }, lab.host, testOperation()),
    ).rejects.toMatchObject({
      code: 'HostUnreachable',
    });
  });

  test('a server that is stopped ends neither a cancelled task nor the work of others', async () => {
    const stop = new AbortController();
    const { address } = lab.mariadb;
    const own = openDatabaseServer({ address, adminPassword: undefined, host: lab.host, signal: stop.signal });
    await own.facts();
    process.kill(lab.mariadb.pid, 'SIGSTOP');
    try {
      const asking = own.databaseNames();
      stop.abort(new Error('the test cancelled'));
      await expect(asking).rejects.toThrow('the test cancelled');
      await expect(own.databaseNames()).rejects.toThrow('the test cancelled');
    } finally {
      process.kill(lab.mariadb.pid, 'SIGCONT');
    }
    expect(await lab.server.databaseNames()).toContain('mysql');
  });
});

test('a host name is looked up by a program that ends with the work', async () => {
  const host = createLocalHost({ name: 'here' });
  expect(await resolveHostName(host, 'localhost', testOperation())).toEqual(
    expect.arrayContaining([expect.stringMatching(/^(127\.0\.0\.1|::1)$/)]),
  );
  expect(await resolveHostName(host, '192.0.2.7', testOperation())).toEqual(['192.0.2.7']);
  const cancelled = testOperation();
  cancelled.cancel();
  await expect(resolveHostName(host, 'localhost', cancelled)).rejects.toThrow('the test cancelled');
});
