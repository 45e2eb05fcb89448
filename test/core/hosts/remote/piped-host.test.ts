import { type Socket, createServer } from 'node:net';
import { PassThrough, Readable, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import { KedgeError } from '../../../../src/contract/errors';
import { type PipedHost, pipedChannel, pipedHost } from '../../../helpers/host-program';
import { testOperation } from '../../../helpers/operation';
import { until } from '../../../helpers/until';
import { describeHost } from '../host-contract';
import { localMachine } from '../local-machine';
import { processesWith, uniqueSleep } from '../machine';
import { describeStreams } from './streams-contract';
import { pipedMachine } from './piped-machine';

describeHost('another, by the program on a pipe', pipedMachine);
describeStreams('another, by the program on a pipe', pipedMachine);

const machine = localMachine();
const hosts: PipedHost[] = [];
afterAll(async () => {
  for (const { host, channels } of hosts) {
    for (const { child } of channels) child.kill('SIGKILL');
    await host.close();
  }
  machine.dispose();
});

function newHost(...more: Parameters<typeof pipedHost>): PipedHost {
  const made = pipedHost(...more);
  hosts.push(made);
  return made;
}

const SHORT = { heartbeatMs: 50, silenceMs: 800 };

describe('when the connection is over', () => {
  test.each([
    ['confined', { sandbox: {} }],
    ['unconfined', {}],
  ])('everything that runs there is ended, in whatever session, %s', async (_, confinement) => {
    const { host } = newHost();
    const sleep = uniqueSleep();
    const running = host.run({
      argv: [
        'sh',
        '-c',
        'trap "" TERM HUP; setsid sleep "$1" & (setsid setsid sleep "$1" &) ; sleep "$1"',
        'sh',
        sleep,
      ],
      ...confinement,
      operation: testOperation(),
    });
    const outcome = expect(running).rejects.toMatchObject({ code: 'HostUnreachable', server: 'there' });
    await until('all of them run', () => processesWith(machine, sleep) >= 3);
    // Resolves when the program has ended.
    await host.close();
    await outcome;
    expect(processesWith(machine, sleep)).toBe(0);
  });

  test('a signal ends it as well, and all that runs', async () => {
    const { host, channels } = newHost();
    const sleep = uniqueSleep();
    const running = host.run({ argv: ['sleep', sleep], operation: testOperation() });
    const outcome = expect(running).rejects.toMatchObject({ code: 'HostUnreachable' });
    await until('it runs', () => processesWith(machine, sleep) > 0);
    channels[0]?.child.kill('SIGTERM');
    await outcome;
    await channels[0]?.ended;
    expect(processesWith(machine, sleep)).toBe(0);
  });

  test('what is asked for next makes a new one, and finds what an earlier one left', async () => {
    const { host, channels } = newHost();
    const sleep = uniqueSleep();
    const operation = testOperation();
    const running = host.run({ argv: ['sleep', sleep], operation });
    const outcome = expect(running).rejects.toMatchObject({
      code: 'HostUnreachable',
      message: expect.stringContaining('it was ended by SIGKILL'),
    });
    await until('it runs', () => processesWith(machine, sleep) > 0);
    // It cannot end anything any more.
    channels[0]?.child.kill('SIGKILL');
    await outcome;
    expect(processesWith(machine, sleep)).toBe(1);
    const marks = await host.listMarks();
    expect(marks.filter((mark) => mark.startsWith(`${operation.mark}/`))).toHaveLength(1);
    expect(await host.endProcesses(operation.mark)).toBe(1);
    expect(processesWith(machine, sleep)).toBe(0);
    expect(channels).toHaveLength(2);
  });

  test('one that does not answer any more is given up', async () => {
    const { host, channels } = newHost({ rhythm: SHORT });
    await host.connect();
    channels[0]?.child.kill('SIGSTOP');
    await expect(host.run({ argv: ['true'], operation: testOperation() })).rejects.toMatchObject({
      code: 'HostUnreachable',
      message: expect.stringContaining('nothing came for 0.8 s'),
    });
    channels[0]?.child.kill('SIGKILL');
  });

  test('an idle one is kept by both ends', async () => {
    const { host, channels } = newHost({ rhythm: SHORT });
    await host.connect();
    let beats = 0;
    channels[0]?.input.on('data', () => (beats += 1));
    await until('the other end has said for longer than it may be silent that it is there', () => beats >= 32);
    expect(await host.list('/no/such/folder')).toEqual([]);
    expect(channels).toHaveLength(1);
  });

  test('so are connections to sockets there, whatever they are at, and none of them ends well', async () => {
    const { host, channels } = newHost();
    const socketPath = join(machine.folder, 'lost.sock');
    const there: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      there.push(socket.on('error', () => undefined));
      socket.once('data', (piece) => void (String(piece) === 'end' ? socket.end('ended') : socket.write('more')));
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    try {
      const { signal } = new AbortController();
      const streams = await Promise.all([1, 2, 3].map(() => host.connectTo({ socketPath }, signal)));
      const [idle, half, unread] = streams;
      let isEnded = false;
      half?.resume().on('end', () => (isEnded = true));
      half?.write('end');
      unread?.write('x');
      await until('they are under way', () => isEnded && unread?.readableLength === 4 && there.length === 3);
      channels[0]?.child.kill('SIGKILL');
      await until('all have ended', () => streams.every(({ destroyed }) => destroyed));
      await until('nothing is left of them', () => there.every((socket) => socket.readableEnded || socket.destroyed));
      const lost = { code: 'HostUnreachable', server: 'there', message: expect.stringContaining('SIGKILL') };
      expect(streams.map(({ errored }) => errored)).toEqual([1, 2, 3].map(() => expect.objectContaining(lost)));
      expect([idle?.writableFinished, half?.writableFinished, unread?.readableEnded]).toEqual([false, false, false]);
      const again = await host.connectTo({ socketPath }, signal);
      again.destroy();
    } finally {
      for (const socket of there) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('a host that is away is told from a socket that is', async () => {
    const { host } = newHost({
      openChannel: () => Promise.reject(new KedgeError('HostUnreachable', 'there is away', { server: 'there' })),
    });
    const { signal } = new AbortController();
    await expect(host.connectTo({ socketPath: '/no/such.sock' }, signal)).rejects.toMatchObject({
      name: 'KedgeError',
      code: 'HostUnreachable',
    });
  });

  test('its output is never taken for the whole, and its source is let go of', async () => {
    const { host, channels } = newHost();
    const output = new PassThrough();
    const input = new PassThrough();
    const running = host.run({ argv: ['cat'], input, output, operation: testOperation() });
    const outcome = expect(running).rejects.toMatchObject({ code: 'HostUnreachable' });
    input.write('part');
    await until('it has come', () => output.readableLength === 4);
    channels[0]?.child.kill('SIGKILL');
    await outcome;
    expect([output.destroyed, output.writableFinished, input.destroyed]).toEqual([true, false, true]);
  });
});

describe('a lock', () => {
  /** Does work under a lock; resolves when that has begun, with how it ends. */
  const held = async (host: PipedHost['host'], path: string, work: () => Promise<unknown>) => {
    let isHeld = false;
    const holding = host.withLock(path, testOperation(), async () => {
      isHeld = true;
      return work();
    });
    const outcome = holding.catch((error: unknown) => error);
    await until('the lock is held', () => isHeld);
    return { outcome };
  };

  test('is not given to another before all has ended that was done under one that is lost', async () => {
    const { host, channels } = newHost();
    const { host: other } = newHost();
    const lock = join(machine.folder, '.lost.lock');
    const sleep = uniqueSleep();
    const late = join(machine.folder, 'late');
    let acted: unknown = null;
    const { outcome } = await held(host, lock, async () => {
      await host.run({ argv: ['sleep', sleep], operation: testOperation() }).catch(() => undefined);
      // By another connection it would be done, behind the lock of somebody else.
      await host.writeFile(late, 'late', { mode: 0o600 }).catch((error: unknown) => (acted = error));
      return 'done';
    });
    await until('its work runs', () => processesWith(machine, sleep) > 0);
    const taken = other.withLock(lock, testOperation(), async () => processesWith(machine, sleep));
    channels[0]?.close();
    expect(await taken).toBe(0);
    expect(await outcome).toMatchObject({ code: 'HostUnreachable' });
    expect(acted).toMatchObject({ code: 'HostUnreachable' });
    expect(await other.status(late)).toBeUndefined();
    // What is no work under the lock goes by a new connection.
    await host.writeFile(late, 'late', { mode: 0o600 });
  });

  test('of a program that does not run any more is taken, and what was sent to that is never done', async () => {
    const { host, channels } = newHost();
    const { host: other } = newHost();
    const lock = join(machine.folder, '.hung.lock');
    const late = join(machine.folder, 'never');
    const { outcome } = await held(host, lock, async () => {
      channels[0]?.child.kill('SIGSTOP');
      await host.writeFile(late, 'late', { mode: 0o600 });
    });
    const operation = testOperation();
    expect(await other.withLock(lock, operation, async () => 'taken')).toBe('taken');
    expect(await outcome).toMatchObject({ code: 'HostUnreachable' });
    expect(operation.messages.join('\n')).toMatch(/does not run any more: it is ended/);
    expect(await other.status(late)).toBeUndefined();
  });

  test('that is lost while nothing is asked for is told when the work has ended', async () => {
    const { host, channels } = newHost();
    let end = (): void => undefined;
    const ending = new Promise<void>((resolve) => (end = resolve));
    let isOver = false;
    const { outcome } = await held(host, join(machine.folder, '.quiet.lock'), () => ending);
    void outcome.then(() => (isOver = true));
    channels[0]?.child.kill('SIGKILL');
    await channels[0]?.ended;
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(isOver).toBe(false);
    end();
    expect(await outcome).toMatchObject({ code: 'HostUnreachable' });
  });
});

describe('a program that is no host', () => {
  test.each([
    ['is missing', ['sh', '-c', 'kedge-host-that-is-missing'], /ended with 127 before it answered: .*not found/],
    ['prints something first', ['sh', '-c', 'echo Welcome; cat'], /sent a header of/],
    ['ends at once', ['true'], /ended with 0 before it answered$/],
  ] as [string, [string, ...string[]], RegExp][])('%s', async (_what, argv, message) => {
    const { host } = newHost({ openChannel: async () => pipedChannel(argv) });
    await expect(host.connect()).rejects.toMatchObject({
      code: 'HostProgramUnfit',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('`install it`'),
    });
  });

  test('is of another version', async () => {
    const { host } = newHost({ version: '99.0.0' });
    await expect(host.run({ argv: ['true'], operation: testOperation() })).rejects.toMatchObject({
      code: 'HostProgramUnfit',
      message: expect.stringMatching(/^kedge-host on there is of version .* and this Kedge of 99\.0\.0/),
    });
  });
});

test('who is cancelled while the connection is made does not wait for it', async () => {
  let open = (): void => undefined;
  const waits = new Promise<void>((resolve) => (open = resolve));
  const { host } = newHost({
    async openChannel() {
      await waits;
      return pipedChannel();
    },
  });
  const operation = testOperation();
  const running = host.run({ argv: ['true'], operation });
  const other = host.list('/no/such/folder');
  operation.cancel(new Error('no longer wanted'));
  await expect(running).rejects.toThrow('no longer wanted');
  open();
  expect(await other).toEqual([]);
});

test('a full disk of this machine, where output goes, is said to be this one', async () => {
  const { host } = newHost();
  const output = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('no space left'), { code: 'ENOSPC' })),
  });
  await expect(host.run({ argv: ['cat', '/dev/zero'], output, operation: testOperation() })).rejects.toMatchObject({
    code: 'DiskFull',
    server: 'here',
  });
});

test('a file of some megabytes goes there and comes back; one that is too large for one piece of memory is refused here', async () => {
  const { host } = newHost();
  const path = join(machine.folder, 'large');
  const content = Buffer.alloc(5 * 1024 ** 2, 'kedge ');
  await host.writeFile(path, content, { mode: 0o600 });
  expect((await host.readFile(path, content.length)).equals(content)).toBe(true);
  await expect(host.writeFile(path, Buffer.alloc(64 * 1024 ** 2 + 1), { mode: 0o600 })).rejects.toMatchObject({
    code: 'Internal',
  });
});

test('a folder of very many names is told of', async () => {
  const { host } = newHost();
  const folder = join(machine.folder, 'many');
  machine.sh('mkdir "$1"; cd "$1"; seq -f "%0100g" 20000 | xargs touch', folder);
  expect(await host.list(folder)).toHaveLength(20_000);
});

test('the source of a program that failed to start is let go of', async () => {
  const { host } = newHost();
  const input = Readable.from(['x']);
  await expect(host.run({ argv: ['no-such-program'], input, operation: testOperation() })).rejects.toMatchObject({
    code: 'ProgramMissing',
  });
  expect(input.destroyed).toBe(true);
});
