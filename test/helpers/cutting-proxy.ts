import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** Something between two machines that carries what they say, until it is told otherwise. */
export interface CuttingProxy {
  readonly port: number;
  /** Cuts every connection, as a router does that was started anew. */
  cut(): void;
  /** Carries nothing any more, and tells nobody. */
  stall(): void;
  /** Connections that came so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Carries connections to a port of 127.0.0.1. */
export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => undefined);
      sockets.push(socket);
    }
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    stall() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    connections: () => sockets.length / 2,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
