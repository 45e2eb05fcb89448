import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../scripts/lab/free-port';
import { startTied } from '../../scripts/lab/tied-process';

export interface CacheServerProcess {
  readonly port: number;
  /** A socket that every account may use. */
  readonly socket: string;
  stop(): Promise<void>;
}

/** A Redis of one's own in `folder`, with the programs of Debian's packages. It dies with this process. */
export async function startRedis(folder: string, name: string, password = ''): Promise<CacheServerProcess> {
  const [port, socket] = [await freePort(), join(folder, `${name}.sock`)];
  const settings = { port, bind: '127.0.0.1', unixsocket: socket, unixsocketperm: '777', dir: folder, save: '' };
  const options = Object.entries({ ...settings, ...(password === '' ? {} : { requirepass: password }) });
  const { stop } = await startTied(
    ['redis-server', ...options.flatMap(([option, value]) => [`--${option}`, String(value)])],
    join(folder, `${name}.log`),
    async () => (await listens(port)) && (await listens(socket)),
  );
  return { port, socket, stop };
}

/** What Redis answers to a command. */
export function redis(server: CacheServerProcess, ...command: string[]): string {
  return execFileSync('redis-cli', ['--no-auth-warning', '-p', String(server.port), ...command], {
    encoding: 'utf8',
  }).trim();
}

/** Two memcached of one's own, as one: one knows its port, the other its socket. */
export async function startMemcached(folder: string, name: string, ...options: string[]): Promise<CacheServerProcess> {
  const [port, socket] = [await freePort(), join(folder, `${name}.sock`)];
  const common = ['memcached', '-u', 'nobody', ...options] as const;
  const log = join(folder, `${name}.log`);
  const byPort = await startTied([...common, '-l', '127.0.0.1', '-p', String(port)], log, () => listens(port));
  chmodSync(folder, 0o777);
  const bySocket = await startTied([...common, '-s', socket, '-a', '0777'], log, () => listens(socket));
  return {
    port,
    socket,
    async stop() {
      await Promise.all([byPort.stop(), bySocket.stop()]);
    },
  };
}

/** Sends lines to a memcached, and returns what it says until it has said `until`. */
export function memcached(place: number | string, lines: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = typeof place === 'number' ? connect(place, '127.0.0.1') : connect(place);
    let said = '';
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (!until.test(said)) return;
      socket.destroy();
      resolve(said);
    });
    socket.write(lines);
  });
}

function listens(place: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof place === 'number' ? connect(place, '127.0.0.1') : connect(place);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
