import { PassThrough } from 'node:stream';
import { PROTOCOL } from '../../../../src/core/hosts/remote/messages';
import { RemoteHost, type RemoteHostOptions } from '../../../../src/core/hosts/remote/remote-host';
import { testOperation } from '../../../helpers/operation';
import { ScriptedEnd } from '../../../helpers/scripted-end';
import { until } from '../../../helpers/until';

/* What a server that somebody has broken into can do to its master: nothing but fail. */

let end: ScriptedEnd;
const ends: ScriptedEnd[] = [];
afterEach(() => {
  for (const one of ends.splice(0)) one.channel.close();
});

const STATUS = { type: 'file', uid: 0, gid: 0, mode: 0o644, bytes: 1, modifiedMs: 0.5, device: 1 };

function hostOf(more: Partial<RemoteHostOptions> = {}): RemoteHost {
  ends.push((end = new ScriptedEnd()));
  return new RemoteHost({
    name: 'web1',
    master: 'here',
    version: '1.2.3',
    installCommand: 'install it',
    openChannel: async () => end.channel,
    ...more,
  });
}

/** A host whose end has greeted, and been asked something. */
async function asked<T>(ask: (host: RemoteHost) => Promise<T>, more: Partial<RemoteHostOptions> = {}) {
  const host = hostOf(more);
  const answer = ask(host);
  answer.catch(() => undefined);
  end.say({ type: 'welcome', protocol: PROTOCOL, version: '1.2.3', uid: 0 });
  await end.heardOf('request');
  return { answer, host };
}

const unfit = (message: string) => ({
  code: 'HostProgramUnfit',
  server: 'web1',
  message: expect.stringContaining(message),
});

describe('the greeting', () => {
  test.each([
    [
      'another version',
      { protocol: PROTOCOL, version: '1.2.4' },
      new RegExp(`version 1\\.2\\.4 \\(protocol ${PROTOCOL}\\).*1\\.2\\.3 \\(protocol ${PROTOCOL}\\)`),
    ],
    ['another protocol', { protocol: 1000, version: '1.2.3', further: true }, /version 1\.2\.3 \(protocol 1000\)/],
    ['a version that is to be obeyed', { protocol: PROTOCOL, version: '\u001b[2J' }, /version \?\?2J/],
  ])('%s is named, with the command that mends it', async (_what, welcome, message) => {
    const host = hostOf();
    const connecting = host.connect();
    end.say({ type: 'welcome', uid: 0, ...welcome });
    await expect(connecting).rejects.toMatchObject({
      code: 'HostProgramUnfit',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('`install it`'),
    });
    expect(end.heard.map(({ header }) => header)).toEqual([{ type: 'hello', protocol: PROTOCOL, version: '1.2.3' }]);
    expect(end.isClosed).toBe(true);
  });

  test('a program that is another one, or a shell that prints something, is no host', async () => {
    const host = hostOf();
    const connecting = host.connect();
    end.raw(Buffer.from('Last login: yesterday\r\n'));
    await expect(connecting).rejects.toMatchObject(unfit('sent a header of'));
  });

  test('one that never answers is given up', async () => {
    await expect(hostOf({ answerWithinMs: 50 }).connect()).rejects.toMatchObject({
      code: 'HostUnreachable',
      message: expect.stringContaining('did not answer within 0.05 s'),
    });
  });
});

describe('an answer', () => {
  const forged: [string, (host: RemoteHost) => Promise<unknown>, unknown][] = [
    ['a name that leads elsewhere', (host) => host.list('/srv'), ['a', '../../etc/shadow']],
    ['a name with a slash', (host) => host.list('/srv'), ['/etc']],
    ['the folder above', (host) => host.list('/srv'), ['..']],
    ['a path that goes back', (host) => host.realPath('/srv/a'), '/srv/../etc'],
    ['a path from nowhere', (host) => host.realPath('/srv/a'), 'etc'],
    ['a mount that is no path', (host) => host.mountsBelow('/srv'), ['srv']],
    ['an account that is no number', (host) => host.lookUpOwner('shop'), { user: 'shop', uid: '0', gid: 0 }],
    ['something more', (host) => host.status('/srv'), { ...STATUS, admin: true }],
    ['a negative number', (host) => host.endProcesses('mark'), -1],
    ['something in the place of nothing', (host) => host.removeFile('/srv/a'), 'gone'],
  ];
  test.each(forged)('with %s is none', async (_what, ask, value) => {
    const { answer } = await asked(ask);
    end.say({ type: 'returned', id: 1, value });
    await expect(answer).rejects.toMatchObject(unfit('sent a message that is not understood'));
    expect(end.isClosed).toBe(true);
  });

  test('with keys of prototypes is none, and changes no object', async () => {
    const { answer } = await asked((host) => host.status('/srv'));
    const value = `{"__proto__":{"polluted":true},${JSON.stringify(STATUS).slice(1)}`;
    const text = `{"type":"returned","id":1,"value":${value}}`;
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32BE(text.length, 0);
    end.raw(Buffer.concat([prefix, Buffer.from(text)]));
    await expect(answer).rejects.toMatchObject(unfit('not understood'));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('mounts that lie elsewhere are passed over', async () => {
    const { answer } = await asked((host) => host.mountsBelow('/srv'));
    end.say({ type: 'returned', id: 1, value: ['/srv', '/srv/a', '/srvx', '/etc'] });
    expect(await answer).toEqual(['/srv', '/srv/a']);
  });

  test('to what was not asked ends the connection', async () => {
    const { answer } = await asked((host) => host.status('/srv'));
    end.say({ type: 'returned', id: 2, value: undefined });
    await expect(answer).rejects.toMatchObject(unfit('an answer to what was not asked'));
  });

  test('that a lock is held, where none was asked for, ends the connection', async () => {
    const { answer } = await asked((host) => host.status('/srv'));
    end.say({ type: 'locked', id: 1 });
    await expect(answer).rejects.toMatchObject(unfit('a lock that was not asked for'));
  });
});

describe('an error', () => {
  test('comes as it was, with the name by which the master knows the server', async () => {
    const { answer } = await asked((host) => host.readFile('/srv/a'));
    end.say({
      type: 'threw',
      id: 1,
      error: { code: 'FileRefused', message: 'it is a link', hint: 'Remove it.', state: 'as before' },
    });
    await expect(answer).rejects.toMatchObject({
      name: 'KedgeError',
      code: 'FileRefused',
      message: 'it is a link',
      hint: 'Remove it.',
      state: 'as before',
      server: 'web1',
    });
  });

  test.each([
    ['that no host throws', { code: 'TaskWasReset', message: 'reset' }],
    ['with a stack', { code: null, message: 'failed', stack: 'at x' }],
    ['of a site', { code: 'FileRefused', message: 'failed', site: 'other.example' }],
    ['without end', { code: null, message: 'x'.repeat(40_000) }],
  ])('%s is none', async (_what, error) => {
    const { answer } = await asked((host) => host.readFile('/srv/a'));
    end.say({ type: 'threw', id: 1, error });
    await expect(answer).rejects.toMatchObject(unfit('not understood'));
  });
});

describe('a stream', () => {
  const piece = Buffer.alloc(64 * 1024);
  const running = (host: RemoteHost) =>
    host.run({ argv: ['cat'], output: new PassThrough(), operation: testOperation() });

  test('that does not wait for room ends the connection', async () => {
    // Nobody reads what the program writes.
    const { answer } = await asked(running);
    for (let sent = 0; sent < 64; sent += 1) end.say({ type: 'piece', id: 1, stream: 'output' }, piece);
    await expect(answer).rejects.toMatchObject(unfit('more of a stream than there is room'));
  });

  test.each([
    ['that nobody wants', { type: 'piece', id: 1, stream: 'error' }, 'a stream that was not asked for'],
    ['that nobody knows', { type: 'piece', id: 1, stream: '__proto__' }, 'not understood: stream'],
    ['with more room than it has', { type: 'credit', id: 1, stream: 'input', bytes: 2 ** 20 }, 'more room than'],
  ])('%s ends the connection', async (_what, message, why) => {
    const { answer } = await asked((host) =>
      host.run({ argv: ['cat'], input: new PassThrough(), operation: testOperation() }),
    );
    end.say(message, 'stream' in message && message.type === 'piece' ? piece : undefined);
    await expect(answer).rejects.toMatchObject(unfit(why));
  });

  test('that goes on behind its end ends the connection', async () => {
    const { answer } = await asked(running);
    end.say({ type: 'end', id: 1, stream: 'output' });
    end.say({ type: 'piece', id: 1, stream: 'output' }, piece);
    await expect(answer).rejects.toMatchObject(unfit('behind its end'));
  });

  test('without an end is never taken for the whole', async () => {
    const output = new PassThrough().resume();
    const { answer } = await asked((host) => host.run({ argv: ['cat'], output, operation: testOperation() }));
    end.say({ type: 'piece', id: 1, stream: 'output' }, piece);
    end.say({ type: 'returned', id: 1, value: { exitCode: 0, stderr: '' } });
    await expect(answer).rejects.toThrow('a stream without an end');
    expect([output.destroyed, output.writableFinished]).toEqual([true, false]);
  });

  test('of a file that is larger than was asked for is refused, and not kept', async () => {
    const { answer } = await asked((host) => host.readFile('/srv/a', 10), { endWithinMs: 50 });
    end.say({ type: 'piece', id: 1, stream: 'content' }, Buffer.alloc(11));
    await end.heardOf('cancel');
    end.say({ type: 'end', id: 1, stream: 'content' });
    end.say({ type: 'returned', id: 1 });
    await expect(answer).rejects.toMatchObject(unfit('more than 10 bytes'));
  });

  test('of captured output that is more than its limit is refused', async () => {
    const operation = testOperation();
    const { answer } = await asked((host) => host.run({ argv: ['cat'], limits: { captureBytes: 10 }, operation }));
    end.say({ type: 'piece', id: 1, stream: 'output' }, Buffer.alloc(31));
    await end.heardOf('cancel');
    end.say({ type: 'threw', id: 1, error: { code: null, message: 'cancelled' } });
    await expect(answer).rejects.toMatchObject(unfit('more than 30 bytes'));
  });
});

describe('a connection to a socket', () => {
  const { signal } = new AbortController();
  const connecting = (host: RemoteHost) => host.connectTo({ socketPath: '/run/x.sock' }, signal);

  test('that was never made is none', async () => {
    const { answer } = await asked(connecting);
    end.say({ type: 'end', id: 1, stream: 'output' });
    end.say({ type: 'returned', id: 1 });
    await expect(answer).rejects.toMatchObject(unfit('never said that it was connected'));
  });

  test('that was not asked for ends that to the host', async () => {
    const { answer } = await asked((host) => host.status('/srv'));
    end.say({ type: 'connected', id: 1 });
    await expect(answer).rejects.toMatchObject(unfit('a connection that was not asked for'));
  });

  test('that sends more than there is room for ends that to the host', async () => {
    const { answer } = await asked(connecting);
    end.say({ type: 'connected', id: 1 });
    const stream = await answer;
    for (let sent = 0; sent < 64; sent += 1)
      end.say({ type: 'piece', id: 1, stream: 'output' }, Buffer.alloc(64 * 1024));
    await until('it has ended', () => stream.destroyed);
    expect(stream.errored).toMatchObject(unfit('more of a stream than there is room'));
    expect(end.isClosed).toBe(true);
  });

  test.each([
    ['without an end', []],
    ['while somebody writes to it', [{ type: 'end', id: 1, stream: 'output' }]],
  ])('that is over %s ends badly', async (_what, before) => {
    const { answer } = await asked(connecting);
    end.say({ type: 'connected', id: 1 });
    const stream = await answer;
    stream.resume().write('x');
    for (const message of [...before, { type: 'returned', id: 1 }]) end.say(message);
    await until('it has ended', () => stream.destroyed);
    expect(stream.errored).toBeInstanceOf(Error);
  });

  test('that is refused is told by the name by which the master knows the server', async () => {
    const { answer } = await asked(connecting);
    end.say({ type: 'threw', id: 1, error: { code: null, message: 'getaddrinfo', system: 'EAI_AGAIN' } });
    await expect(answer).rejects.toMatchObject({ name: 'Error', code: 'EAI_AGAIN', server: 'web1' });
  });
});

test('lines for the log are bounded, and their keys are words', async () => {
  const operation = testOperation();
  const { answer } = await asked((host) => host.removeTree('/srv/a', operation));
  for (let line = 0; line < 1_200; line += 1) end.say({ type: 'log', id: 1, level: 'info', message: `line ${line}` });
  end.say({ type: 'returned', id: 1 });
  await answer;
  expect(operation.messages).toHaveLength(1_000);
  const next = await asked((host) => host.removeTree('/srv/a', operation));
  end.say({ type: 'log', id: 1, level: 'warn', message: 'x', fields: { constructor: { name: 'x' } } });
  await expect(next.answer).rejects.toMatchObject(unfit('not understood'));
});

test('what is cancelled and does not end there has its connection cut, and throws the reason', async () => {
  const operation = testOperation();
  const { answer, host } = await asked((host) => host.run({ argv: ['cat'], operation }), {
    endWithinMs: 50,
    // It is not silence that ends it.
    rhythm: { heartbeatMs: 600_000, silenceMs: 600_000 },
  });
  operation.cancel(new Error('no longer wanted'));
  await expect(answer).rejects.toThrow('no longer wanted');
  expect(end.isClosed).toBe(true);
  expect(await host.account()).toEqual({ uid: 0, privileged: true });
});

test('no more is asked at one time than a host answers; who is cancelled while waiting is not asked for', async () => {
  const { host, answer } = await asked((host) => host.status('/srv/first'));
  const requests = () =>
    end.heard
      .map(({ header }) => header as { type: string; request: { path: string } })
      .filter(({ type }) => type === 'request');
  const others = Array.from({ length: 127 }, () => host.status('/srv/other'));
  const operation = testOperation();
  const cancelled = expect(host.removeTree('/srv/never', operation)).rejects.toThrow('no longer wanted');
  const last = host.status('/srv/last');
  await until('as many are asked as may be', () => requests().length === 128);
  operation.cancel(new Error('no longer wanted'));
  await cancelled;
  expect(requests()).toHaveLength(128);
  for (let id = 1; id <= 128; id += 1) end.say({ type: 'returned', id });
  await Promise.all([answer, ...others]);
  await until('the last is asked for', () => requests().length === 129);
  end.say({ type: 'returned', id: 129 });
  await last;
  expect(requests().at(-1)?.request.path).toBe('/srv/last');
});

test('the account it acts as does not change from one connection to the next', async () => {
  const host = hostOf();
  const connecting = host.connect();
  end.say({ type: 'welcome', protocol: PROTOCOL, version: '1.2.3', uid: 0 });
  await connecting;
  await host.close();
  ends.push((end = new ScriptedEnd()));
  const again = host.connect();
  end.say({ type: 'welcome', protocol: PROTOCOL, version: '1.2.3', uid: 1000 });
  await expect(again).rejects.toMatchObject({ code: 'OwnerRefused' });
});

test('a request that no host would take is a mistake here, and ends nothing', async () => {
  const { host } = await asked((host) => host.status('/srv'));
  await expect(host.readFile('relative/path')).rejects.toMatchObject({
    code: 'Internal',
    message: expect.stringContaining('not understood: path'),
  });
  const argv: [string, ...string[]] = ['true', ...Array.from({ length: 5 }, () => '"'.repeat(1024 ** 2))];
  await expect(host.run({ argv, operation: testOperation() })).rejects.toMatchObject({
    code: 'Internal',
    message: expect.stringContaining('a header of'),
  });
  expect(end.isClosed).toBe(false);
});
