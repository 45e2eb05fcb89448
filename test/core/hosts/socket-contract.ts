import { createHash } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { type Duplex, Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import type { SocketAddress } from '../../../src/core/hosts/host';
import { until } from '../../helpers/until';
import type { Machine, MachineFactory } from './machine';

const MEBIBYTE = 1024 ** 2;
const PIECE = 64 * 1024;

/** What `Host.connectTo` promises. The machine has to share sockets and ports with this one. */
export function describeSockets(makeMachine: MachineFactory): void {
  describe('connectTo', () => {
    let machine: Machine;
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    beforeAll(async () => {
      machine = await makeMachine();
    });
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    });
    afterAll(() => machine.dispose());

    /** Somebody who listens at a socket of the machine, or at a port; and where. */
    async function listen(behave: (socket: Socket) => void, at: 'socket' | 'port' = 'socket'): Promise<SocketAddress> {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        behave(socket);
      });
      servers.push(server);
      if (at === 'port') {
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      }
      const socketPath = join(machine.folder, `${servers.length}.sock`);
      await new Promise<void>((resolve) => server.listen(realPath(socketPath), resolve));
      return { socketPath };
    }
    /** Where a path of the machine is found here. */
    const realPath = (path: string): string => machine.sh('printf %s "$1"', path);
    const connect = (address: SocketAddress, signal = new AbortController().signal): Promise<Duplex> =>
      machine.host.connectTo(address, signal);
    const whole = async (stream: Readable): Promise<string> => {
      const pieces: Buffer[] = [];
      for await (const piece of stream.iterator({ destroyOnReturn: false })) pieces.push(piece as Buffer);
      return Buffer.concat(pieces).toString();
    };
    /** How a stream ends. */
    const endOf = (stream: Duplex): Promise<unknown> => finished(stream.resume()).catch((error: unknown) => error);

    test.each(['socket', 'port'] as const)('reaches who listens at a %s', async (at) => {
      const address = await listen(
        (socket) => socket.on('data', (asked) => socket.end(`you said ${String(asked)}`)),
        at,
      );
      const stream = await connect(address);
      stream.end('hello');
      expect(await whole(stream)).toBe('you said hello');
      await finished(stream);
    });

    test('48 MiB go there and come back at one time to who is slow, and never more than a part of them is on the way', async () => {
      const address = await listen((socket) => socket.pipe(socket));
      let [given, taken, most] = [0, 0, 0];
      const [sent, come] = [createHash('sha256'), createHash('sha256')];
      function* pieces(): Generator<Buffer> {
        for (; given < 48 * MEBIBYTE; given += PIECE) {
          const piece = Buffer.alloc(PIECE, `${given} `);
          sent.update(piece);
          yield piece;
        }
      }
      const slow = new Writable({
        highWaterMark: PIECE,
        write(chunk: Buffer, _encoding, done) {
          come.update(chunk);
          taken += chunk.length;
          most = Math.max(most, given - taken);
          void turn()
            .then(() => turn())
            .then(() => done());
        },
      });
      const stream = await connect(address);
      await pipeline(Readable.from(pieces()), stream, slow);
      expect(taken).toBe(48 * MEBIBYTE);
      expect(come.digest('hex')).toBe(sent.digest('hex'));
      // Windows, and what is in the buffers of pipes and of the network.
      expect(most).toBeLessThan(24 * MEBIBYTE);
    });

    test('one that nobody reads at either end holds up who sends at the other, and nobody else', async () => {
      let [come, gone] = [0, 0];
      const address = await listen((socket) => {
        const pour = (): void => {
          for (let goesOn = !socket.destroyed; goesOn; come += PIECE) goesOn = socket.write(Buffer.alloc(PIECE));
        };
        socket.pause().on('drain', pour);
        pour();
      });
      function* counted(): Generator<Buffer> {
        for (const piece of endless()) {
          gone += PIECE;
          yield piece;
        }
      }
      const other = await listen((socket) => void Readable.from([Buffer.alloc(MEBIBYTE, 'x')]).pipe(socket));
      const stream = await connect(address);
      Readable.from(counted()).pipe(stream);
      await until('it has begun', () => come > PIECE && gone > PIECE);
      // Were they not held up, they would have got as far as these.
      for (let others = 0; others < 24; others += 1) {
        const second = await connect(other);
        expect(await whole(second)).toHaveLength(MEBIBYTE);
        second.destroy();
      }
      // A window, and what is in the buffers of sockets.
      expect(come).toBeLessThan(4 * MEBIBYTE);
      expect(gone).toBeLessThan(4 * MEBIBYTE);
      stream.destroy();
    });

    test('each end is ended alone: the other goes on', async () => {
      const address = await listen((socket) => {
        socket.write('first;');
        // Behind the end of what it is sent.
        socket.on('data', () => undefined).on('end', () => socket.end('last'));
      });
      const stream = await connect(address);
      stream.end('all of it');
      expect(await whole(stream)).toBe('first;last');

      let heard = '';
      const speaksFirst = await listen((socket) => {
        socket.end('said all');
        socket.on('data', (piece) => (heard += String(piece)));
      });
      const answering = await connect(speaksFirst);
      expect(await whole(answering)).toBe('said all');
      answering.write('and ');
      answering.end('answered');
      await until('it has heard it', () => heard === 'and answered');
      await finished(answering);
    });

    test('what was sent before the end arrives, though nobody reads it yet', async () => {
      let reader: Socket | undefined;
      const address = await listen((socket) => (reader = socket.pause()));
      const stream = await connect(address);
      let isClosed = false;
      stream.on('close', () => (isClosed = true));
      stream.resume().end(Buffer.alloc(2 * MEBIBYTE, 'x'));
      await until('somebody has taken the connection', () => reader !== undefined);
      reader?.end();
      for (let turns = 0; turns < 20; turns += 1) await turn();
      expect(isClosed).toBe(false);
      let bytes = 0;
      reader?.on('data', (piece: Buffer) => (bytes += piece.length)).resume();
      await until('all has come', () => bytes === 2 * MEBIBYTE);
      await until('it is closed', () => isClosed);
    });

    describe('says who is not there, by the word of the system and the name of the host', () => {
      const refusal = (code: string) => ({ name: 'Error', code, server: machine.host.name });
      test('a port at which nobody listens', async () => {
        const address = await listen(() => undefined, 'port');
        await new Promise((resolve) => servers.pop()?.close(resolve));
        await expect(connect(address)).rejects.toMatchObject({
          ...refusal('ECONNREFUSED'),
          message: expect.stringContaining('ECONNREFUSED 127.0.0.1'),
        });
      });

      test('a name that its name servers do not know', async () => {
        await expect(connect({ host: 'kedge.invalid', port: 1 })).rejects.toMatchObject(refusal('ENOTFOUND'));
      });

      test('a socket that is missing, and one that its server has left', async () => {
        const missing = { socketPath: join(machine.folder, 'no.sock') };
        await expect(connect(missing)).rejects.toMatchObject(refusal('ENOENT'));
        const left = join(machine.folder, 'left.sock');
        machine.sh(
          `python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1" 2>/dev/null || perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' "$1"`,
          left,
        );
        await expect(connect({ socketPath: left })).rejects.toMatchObject(refusal('ECONNREFUSED'));
        unlinkSync(realPath(left));
      });

      test('a name that nobody knows', async () => {
        const error = await connect({ host: 'no-such-host.invalid', port: 80 }).catch((caught: unknown) => caught);
        expect(error).toMatchObject({
          name: 'Error',
          code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
          server: machine.host.name,
        });
      });
    });

    test('what was aborted is not begun', async () => {
      let came = 0;
      const address = await listen(() => (came += 1));
      await expect(connect(address, AbortSignal.abort(new Error('no longer wanted')))).rejects.toThrow(
        'no longer wanted',
      );
      (await connect(address)).destroy();
      await until('the second has come', () => came > 0);
      expect(came).toBe(1);
    });

    test.each([
      ['while bytes go both ways', (stream: Duplex) => void Readable.from(endless()).pipe(stream).resume()],
      ['while nobody reads', (stream: Duplex) => void stream.pause()],
      ['behind its end', (stream: Duplex) => void stream.end()],
    ])('when the signal is aborted %s it ends at both ends, with the reason', async (_when, use) => {
      let there: Socket | undefined;
      const address = await listen((socket) => {
        there = socket;
        socket.resume();
        Readable.from(endless()).pipe(socket);
      });
      const stop = new AbortController();
      const stream = await connect(address, stop.signal);
      use(stream);
      await until('somebody has taken it', () => (there?.bytesWritten ?? 0) > 0);
      const reason = new Error('no longer wanted');
      stop.abort(reason);
      expect(await endOf(stream)).toBe(reason);
      expect(stream.errored).toBe(reason);
      await until('it has ended there', () => there?.destroyed === true);
    });

    test('destroyed by who has it, it ends at the other end', async () => {
      let there: Socket | undefined;
      const address = await listen((socket) => (there = socket.resume()));
      const stream = await connect(address);
      stream.write('x');
      await until('it has come', () => there?.bytesRead === 1);
      stream.destroy();
      await until('it has ended there', () => there?.readableEnded === true || there?.destroyed === true);
    });

    test('an end that resets it is no end: what was read is no whole', async () => {
      const address = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()), 'port');
      const stream = await connect(address);
      stream.write('x');
      expect(await endOf(stream)).toMatchObject({ code: 'ECONNRESET' });
      expect(stream.readableEnded).toBe(false);
      // Nobody listens for the error of this one.
      const unheard = await connect(address);
      unheard.write('x');
      await until('it is over', () => unheard.destroyed);
    });

    function* endless(): Generator<Buffer> {
      for (;;) yield Buffer.alloc(PIECE);
    }
  });
}
