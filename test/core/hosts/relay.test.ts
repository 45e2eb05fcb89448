import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { SocketAddress } from '../../../src/core/hosts/host';
import { foldersOfEndedRelays, withRelay } from '../../../src/core/hosts/relay';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { pipedHost } from '../../helpers/host-program';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';

/* A socket of this machine that leads to a listener of another one. */

const here = createLocalHost({ name: 'here' });
const { host: there, channels } = pipedHost();
let folder: string;
let listening: Server;
let address: SocketAddress;
/** How each visitor of the listener is served. */
let serve: (visitor: Socket) => void;
beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/kedge-relay-');
  address = { socketPath: join(folder, 'listener') };
  listening = createServer({ allowHalfOpen: true }, (visitor) => {
    visitor.on('error', () => undefined);
    serve(visitor);
  });
  await new Promise<void>((resolve) => listening.listen(join(folder, 'listener'), resolve));
});
afterEach(async () => {
  expect(await readdir(folder)).toEqual(['listener']);
});
afterAll(async () => {
  await there.close();
  listening.close();
  await rm(folder, { recursive: true });
});

/** Sends something by the socket, says that this is all, and returns what comes. */
async function ask(path: string, question: string | Buffer): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.end(question);
  return text(socket);
}

/** Tells all that a visitor says, who may be answered then. */
function whole(visitor: Socket, tell: (said: string) => void): void {
  let said = '';
  visitor.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
  visitor.on('end', () => tell(said));
}

test('carries both ways, each to its end, for several at once', async () => {
  serve = (visitor) => whole(visitor, (asked) => visitor.end(`${asked.length} ${asked.slice(-3)}`));
  const questions = ['a', 'bcd', `${'x'.repeat(5_000_000)}end`];
  const answers = await withRelay({ from: there, address }, folder, testOperation(), (relay) =>
    Promise.all(questions.map((question) => ask(join(relay.folder, relay.name), question))),
  );
  expect(answers).toEqual(['1 a', '3 bcd', '5000003 end']);
});

test('a folder whose path is longer than that of a socket may be will do', async () => {
  serve = (visitor) => void visitor.end('greeting');
  const long = join(folder, 'x'.repeat(200));
  await mkdir(long);
  const greeting = await withRelay({ from: there, address }, long, testOperation(), async (relay) => {
    const handle = await here.openForReading(relay.folder);
    return ask(`/proc/self/fd/${handle.fd}/${relay.name}`, '').finally(() => handle.close());
  });
  expect(greeting).toBe('greeting');
  await rm(long, { recursive: true });
});

test('where nobody listens that is told in the place of what its user makes of it', async () => {
  const nobody = { socketPath: join(folder, 'nobody') };
  const asking = withRelay({ from: there, address: nobody }, folder, testOperation(), async (relay) => {
    await ask(join(relay.folder, relay.name), 'anybody?').catch(() => undefined);
    throw new Error('it said nothing');
  });
  await expect(asking).rejects.toMatchObject({ code: 'ENOENT', server: 'there' });
});

test('a machine that is lost meanwhile is told in the place of what its user makes of it', async () => {
  serve = () => channels.at(-1)?.child.kill('SIGKILL');
  const asking = withRelay({ from: there, address }, folder, testOperation(), async (relay) => {
    await ask(join(relay.folder, relay.name), 'still there?').catch(() => undefined);
    throw new Error('it said nothing');
  });
  await expect(asking).rejects.toMatchObject({ code: 'HostUnreachable', server: 'there' });
});

test('what its user says of a listener that hung up stands', async () => {
  serve = (visitor) => visitor.destroy();
  const asking = withRelay({ from: there, address }, folder, testOperation(), async (relay) => {
    await ask(join(relay.folder, relay.name), 'why?').catch(() => undefined);
    throw new Error('it hung up');
  });
  await expect(asking).rejects.toThrow('it hung up');
});

test('no connection outlives the work', async () => {
  const visitors: Socket[] = [];
  serve = (visitor) => void visitors.push(visitor.resume());
  await withRelay({ from: there, address }, folder, testOperation(), async (relay) => {
    const socket = connect(join(relay.folder, relay.name));
    socket.on('error', () => undefined);
    await until('it is connected', () => visitors.length > 0);
  });
  await until('the listener sees its visitor leave', () =>
    visitors.every(({ readableEnded, errored }) => readableEnded || errored),
  );
  for (const visitor of visitors) visitor.destroy();
});

test('it can be cancelled at any time', async () => {
  serve = (visitor) => whole(visitor, (asked) => visitor.end(asked));
  await cancelAtEachTurn((operation) =>
    withRelay({ from: there, address }, folder, operation, async (relay) => {
      const answer = await ask(join(relay.folder, relay.name), 'x'.repeat(10_000)).catch(() => '');
      operation.signal.throwIfAborted();
      expect(answer).toHaveLength(10_000);
    }),
  );
});

test('a folder that a process left which has ended is found, and no other', async () => {
  const left = join(folder, '4194304-12345-abcdef');
  await mkdir(left);
  await withRelay({ from: there, address }, folder, testOperation(), async () => {
    expect(await foldersOfEndedRelays(folder, here)).toEqual([left]);
  });
  await rm(left, { recursive: true });
});
