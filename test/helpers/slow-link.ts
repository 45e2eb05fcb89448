import { appendFileSync, readFileSync } from 'node:fs';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { SshAddress } from '../../src/core/hosts/ssh/ssh-channel';

/** A way to a machine that is narrow and long. */
export interface SlowLink {
  /** How the machine is reached by it; its key is known there too. */
  readonly address: SshAddress;
  /** Bytes that went either way. */
  carried(): number;
  /** Cuts every connection, as a router does that was started anew. */
  cut(): void;
  close(): Promise<void>;
}

const PIECE_BYTES = 16 * 1024;

/** Carries connections to a machine at so many bytes a second each way, each byte so much later, ms. */
export async function startSlowLink(
  to: SshAddress,
  { bytesPerSecond, latencyMs }: { readonly bytesPerSecond: number; readonly latencyMs: number },
): Promise<SlowLink> {
  let carried = 0;
  const sockets = new Set<Socket>();
  const direction = (from: Socket, into: Socket): void => {
    // When the last piece is through the narrow part, by the clock of this process, ms.
    let freeAt = 0;
    const narrow = new Transform({
      readableHighWaterMark: PIECE_BYTES,
      writableHighWaterMark: PIECE_BYTES,
      transform(piece: Buffer, _encoding, done) {
        carried += piece.length;
        freeAt = Math.max(freeAt, performance.now()) + (piece.length * 1000) / bytesPerSecond;
        void delay(freeAt - performance.now(), undefined, { ref: false }).then(() => done(null, piece));
      },
    });
    const long = new Transform({
      // What is on its way.
      readableHighWaterMark: PIECE_BYTES,
      writableHighWaterMark: Math.max(PIECE_BYTES, Math.ceil((bytesPerSecond * latencyMs) / 1000)),
      transform(piece: Buffer, _encoding, done) {
        setTimeout(() => this.push(piece), latencyMs).unref();
        done();
      },
      flush(done) {
        setTimeout(done, latencyMs).unref();
      },
    });
    pipeline(from, narrow, long, into).catch(() => {
      from.destroy();
      into.destroy();
    });
  };
  const server = createServer((near) => {
    const far = connect({ host: to.host, port: to.port, allowHalfOpen: true });
    for (const socket of [near, far]) {
      socket.on('error', () => undefined);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    direction(near, far);
    direction(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const [, key = ''] =
    new RegExp(`^${to.host.replaceAll('.', '\\.')} (.+)$`, 'm').exec(readFileSync(to.knownHosts, 'utf8')) ?? [];
  appendFileSync(to.knownHosts, `[127.0.0.1]:${port} ${key}\n`);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: { ...to, host: '127.0.0.1', port },
    carried: () => carried,
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
