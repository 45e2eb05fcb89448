import { existsSync, statSync } from 'node:fs';
import { type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { createLocalHost } from '../../../../src/core/hosts/local-host';
import { PROTOCOL } from '../../../../src/core/hosts/remote/messages';
import { serveHost } from '../../../../src/core/hosts/remote/served-host';
import { testOperation } from '../../../helpers/operation';
import { ScriptedEnd } from '../../../helpers/scripted-end';
import { until } from '../../../helpers/until';
import { localMachine } from '../local-machine';
import { processesWith, uniqueSleep } from '../machine';

/* What a server does with a master that does not keep to the protocol: it ends all that it started for it. */

const machine = localMachine();
afterAll(() => machine.dispose());

const BEGIN = { type: 'begin', server: 'web1', rhythm: { heartbeatMs: 10_000, silenceMs: 30_000 } };
const HELLO = { type: 'hello', protocol: PROTOCOL, version: '1.2.3' };

function serve(...first: object[]): { end: ScriptedEnd; ended: Promise<Error> } {
  const end = new ScriptedEnd();
  const ended = serveHost(end.channel, { version: '1.2.3', makeHost: (name) => createLocalHost({ name }) });
  for (const message of first) end.say(message);
  return { end, ended };
}

const run = (id: number, argv: string[], more: object = {}) => ({
  type: 'request',
  id,
  request: {
    method: 'run',
    mark: `test-${process.pid}`,
    argv,
    input: false,
    output: false,
    errorOutput: false,
    wantsResult: false,
    ...more,
  },
});
const status = (id: number, path = '/') => ({ type: 'request', id, request: { method: 'status', path } });

test.each([
  ['a request before the greeting', [status(1)], 'not understood'],
  ['a request before the beginning', [HELLO, status(1)], 'before the beginning'],
  ['a second beginning', [HELLO, BEGIN, BEGIN], 'a second beginning'],
  ['a number that was used', [HELLO, BEGIN, status(2), status(2)], 'a number that was used'],
  ['a number that is too low', [HELLO, BEGIN, status(2), status(1)], 'a number that was used'],
  ['words on what was not asked', [HELLO, BEGIN, { type: 'cancel', id: 7 }], 'not asked for'],
  [
    'a stream that was not announced',
    [HELLO, BEGIN, run(1, ['cat']), { type: 'end', id: 1, stream: 'input' }],
    'not announced',
  ],
  [
    'a method that no host has',
    [HELLO, BEGIN, { type: 'request', id: 1, request: { method: 'constructor' } }],
    'not understood',
  ],
  ['a path that is none', [HELLO, BEGIN, status(1, 'etc')], 'not understood: request.path'],
  ['no program', [HELLO, BEGIN, run(1, [])], 'not understood: request.argv'],
  ['words that nobody knows', [HELLO, BEGIN, { type: 'evaluate', code: '1' }], 'not understood'],
])('%s ends the connection', async (_what, messages, why) => {
  const { end, ended } = serve(...messages);
  expect((await ended).message).toContain(why);
  expect(end.isClosed).toBe(true);
});

test('who is of another version is told which is here, and is served nothing', async () => {
  const { end, ended } = serve({ ...HELLO, version: '1.2.4' }, BEGIN, status(1));
  await ended;
  expect(end.heard.map(({ header }) => header)).toEqual([
    { type: 'welcome', protocol: PROTOCOL, version: '1.2.3', uid: process.getuid?.() },
  ]);
});

test('more than 128 requests at one time end the connection, and all of them', async () => {
  const sleep = uniqueSleep();
  const { ended } = serve(HELLO, BEGIN, ...Array.from({ length: 129 }, (_, at) => run(at + 1, ['sleep', sleep])));
  expect((await ended).message).toContain('too much at one time');
  expect(processesWith(machine, sleep)).toBe(0);
});

const connect = (id: number, socketPath: string) => ({
  type: 'request',
  id,
  request: { method: 'connectTo', address: { socketPath } },
});

test('of connections too, which leave other requests their room, and of which none is left when the channel is over', async () => {
  const socketPath = join(machine.folder, 'listens.sock');
  const there = new Set<Socket>();
  let came = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    came += 1;
    there.add(socket.resume());
    socket.on('error', () => undefined).on('close', () => there.delete(socket));
    socket.on('end', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    const { end, ended } = serve(HELLO, BEGIN, ...Array.from({ length: 128 }, (_, at) => connect(at + 1, socketPath)));
    end.say(status(129));
    await end.heardOf('returned');
    await until('all are connected', () => came === 128);
    end.say(connect(130, socketPath));
    expect((await ended).message).toContain('too much at one time');
    await until('none is left', () => there.size === 0);
    expect(came).toBe(128);
  } finally {
    for (const socket of there) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

test.each([
  ['a relative path', { socketPath: 'run/x.sock' }],
  ['no port', { host: 'localhost', port: 0 }],
  ['an address that is none', { host: 'localhost', port: 80, addresses: ['localhost'] }],
  ['both', { socketPath: '/run/x.sock', host: 'localhost', port: 80 }],
])('a connection to %s is not understood', async (_what, address) => {
  const { ended } = serve(HELLO, BEGIN, { type: 'request', id: 1, request: { method: 'connectTo', address } });
  expect((await ended).message).toContain('not understood: request.address');
});

test('more of a stream than there is room for ends the connection, and the program', async () => {
  const sleep = uniqueSleep();
  const { end, ended } = serve(HELLO, BEGIN, run(1, ['sleep', sleep], { input: true }));
  for (let sent = 0; sent < 32; sent += 1) end.say({ type: 'piece', id: 1, stream: 'input' }, Buffer.alloc(64 * 1024));
  expect((await ended).message).toContain('more of a stream than there is room');
  expect(processesWith(machine, sleep)).toBe(0);
});

const heldOf = (end: ScriptedEnd, type: string): Record<string, unknown>[] =>
  end.heard.map(({ header }) => header as Record<string, unknown>).filter((header) => header['type'] === type);

test('of files that are sent at one time one is taken, and the others wait with who sends them', async () => {
  const { end, ended } = serve(HELLO, BEGIN);
  const file = (id: number): string => join(machine.folder, `sent-${id}`);
  const ids = Array.from({ length: 12 }, (_, at) => at + 1);
  for (const id of ids) {
    end.say({ type: 'request', id, request: { method: 'writeFile', path: file(id), attributes: { mode: 0o600 } } });
    for (let sent = 0; sent < 8; sent += 1) end.say({ type: 'piece', id, stream: 'content' }, Buffer.alloc(64 * 1024));
  }
  const taken = (): unknown[] => [...new Set(heldOf(end, 'credit').map(({ id }) => id))];
  end.say(status(100));
  await end.heardOf('returned');
  expect(taken()).toEqual([1]);
  // Whoever gives up his turn, or has ended, gives it to the next.
  end.say({ type: 'cancel', id: 1 });
  await until('the second is taken', () => taken().length === 2);
  end.say({ type: 'end', id: 2, stream: 'content' });
  await until('the third is taken', () => taken().length === 3);
  expect(taken()).toEqual([1, 2, 3]);
  expect([existsSync(file(1)), statSync(file(2)).size]).toEqual([false, 512 * 1024]);
  end.channel.close();
  await ended;
});

test('a file that is read waits for one that is sent, and comes when that has', async () => {
  const { end, ended } = serve(HELLO, BEGIN);
  const path = join(machine.folder, 'small');
  end.say({ type: 'request', id: 1, request: { method: 'writeFile', path, attributes: { mode: 0o600 } } });
  end.say({ type: 'request', id: 2, request: { method: 'readFile', path } });
  end.say(status(3));
  await end.heardOf('returned');
  expect(heldOf(end, 'threw')).toEqual([]);
  end.say({ type: 'piece', id: 1, stream: 'content' }, Buffer.from('content'));
  end.say({ type: 'end', id: 1, stream: 'content' });
  await until('it has come', () => heldOf(end, 'returned').some(({ id }) => id === 2));
  expect(end.heard.map(({ piece }) => piece.toString()).join('')).toBe('content');
  end.channel.close();
  await ended;
});

test.each([
  ['output', ''],
  ['result', '>&4'],
])('of the %s of a program, which the master keeps, nothing is kept here', async (stream, where) => {
  const sleep = uniqueSleep();
  const script = `head -c 8000000 /dev/zero ${where}; exec sleep ${sleep}`;
  const limits = { captureBytes: 64 * 1024 ** 2 };
  const { end, ended } = serve(
    HELLO,
    BEGIN,
    run(1, ['sh', '-c', script], { wantsResult: stream === 'result', limits }),
  );
  const bytes = (): number => end.heard.reduce((sum, { piece }) => sum + piece.length, 0);
  // As much as a window has, while the program waits.
  await until('a part of it has come', () => bytes() >= 1024 ** 2);
  expect(bytes()).toBe(1024 ** 2);
  expect(heldOf(end, 'piece').every((header) => header['stream'] === stream)).toBe(true);
  end.channel.close();
  await ended;
  expect(processesWith(machine, sleep)).toBe(0);
});

test('what requests hold at one time has a bound in common', async () => {
  const end = new ScriptedEnd();
  const never = new Promise<never>(() => undefined);
  const ended = serveHost(end.channel, {
    version: '1.2.3',
    makeHost: (name) => Object.assign(createLocalHost({ name }), { run: () => never }),
    endWithinMs: 0,
  });
  for (const message of [HELLO, BEGIN]) end.say(message);
  // Each is as long as a message may be.
  const long = Array.from({ length: 2 }, () => 'x'.repeat(2 * 1024 ** 2 - 1024));
  for (let id = 1; id <= 16; id += 1) end.say(run(id, ['true', ...long]));
  end.say(status(17));
  await end.heardOf('returned');
  end.say(run(18, ['true', ...long]));
  expect((await ended).message).toContain('too much at one time');
});

test('more of a file than is read as a whole is not understood', async () => {
  const read = { method: 'readTrustedFile', path: '/etc/hostname', maximumBytes: 2 ** 40 };
  const { ended } = serve(HELLO, BEGIN, { type: 'request', id: 1, request: read });
  expect((await ended).message).toContain('not understood: request.maximumBytes');
});

test('what is not understood is told by its place, and holds no secret', async () => {
  const { ended } = serve(HELLO, BEGIN, run(1, ['cat'], { secret: 'canary-secret', extra: 'canary-secret' }));
  const { message } = await ended;
  expect(message).toContain('request');
  expect(message).not.toContain('canary');
});

test('who says nothing any more is taken to be gone, and what runs for it is ended', async () => {
  const sleep = uniqueSleep();
  const { end, ended } = serve(HELLO, { ...BEGIN, rhythm: { heartbeatMs: 20, silenceMs: 400 } });
  end.say(run(1, ['sh', '-c', `setsid sleep ${sleep} & sleep ${sleep}`], { sandbox: {} }));
  await until('it runs', () => processesWith(machine, sleep) >= 2 || end.isClosed);
  expect((await ended).message).toBe('nothing came for 0.4 s');
  expect(processesWith(machine, sleep)).toBe(0);
});

test('who goes on to say that it is there is not', async () => {
  const { end, ended } = serve(HELLO, { ...BEGIN, rhythm: { heartbeatMs: 20, silenceMs: 400 } });
  const beating = setInterval(() => end.say({ type: 'beat' }), 20);
  try {
    await until('it has said thirty times that it is there', () => end.heard.length > 30);
    expect(end.isClosed).toBe(false);
  } finally {
    clearInterval(beating);
  }
  await ended;
});

test('errors of this machine go without a stack, and errors of the system with their name', async () => {
  const { end, ended } = serve(HELLO, BEGIN);
  end.say({
    type: 'request',
    id: 1,
    request: { method: 'writeFile', path: '/no/such/folder/file', attributes: { mode: 0o600 } },
  });
  end.say({ type: 'end', id: 1, stream: 'content' });
  const { error } = await end.heardOf('threw');
  expect(error).toEqual({ code: null, system: 'ENOENT', message: expect.stringContaining('ENOENT') });
  end.channel.close();
  await ended;
});

test('a lock is let go of when all has ended that was asked for, and not before', async () => {
  const lock = join(machine.folder, '.lock');
  let letGo = (): void => undefined;
  const slow = new Promise<void>((resolve) => (letGo = resolve));
  const end = new ScriptedEnd();
  const ended = serveHost(end.channel, {
    version: '1.2.3',
    // A disk that takes its time.
    makeHost: (name) => Object.assign(createLocalHost({ name }), { removeFile: () => slow }),
    endWithinMs: 60_000,
  });
  for (const message of [HELLO, BEGIN]) end.say(message);
  end.say({ type: 'request', id: 1, request: { method: 'withLock', path: lock, mark: 'test' } });
  await end.heardOf('locked');
  end.say({ type: 'request', id: 2, request: { method: 'removeFile', path: '/srv/file' } });
  end.say({ type: 'request', id: 3, request: { method: 'status', path: '/' } });
  await end.heardOf('returned');
  end.channel.close();
  const isFree = async (): Promise<boolean> => {
    const argv = ['flock', '--nonblock', lock, 'true'] as const;
    const { exitCode } = await machine.host.run({ argv, acceptExitCodes: [0, 1], operation: testOperation() });
    return exitCode === 0;
  };
  for (let looks = 0; looks < 10; looks += 1) expect(await isFree()).toBe(false);
  letGo();
  await ended;
  expect(await isFree()).toBe(true);
});
