import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type RestartableServer, startRestartable } from './tied-process';

export interface PhpFpmPool {
  readonly name: string;
  /** System account of the pool when started by root; otherwise everything runs as the current user. */
  readonly owner: string;
  /** `pm…` and `env[…]` are the pool's, all others settings of PHP: `{ 'opcache.validate_timestamps': '0' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** On loopback, in the place of a Unix socket. */
  readonly port?: number;
}

export interface PrivatePhpFpm extends RestartableServer {
  /** `8.2` */
  readonly version: string;
  /** @throws Error for a pool that does not exist */
  socketOf(pool: string): string;
}

/** Longest path of a Unix socket that Linux takes. */
const SOCKET_PATH_BYTES = 107;
/** System account of the web server, which opens the sockets. */
const WEB_SERVER_USER = 'www-data';
const POOL_SETTINGS: Readonly<Record<string, string>> = { pm: 'static', 'pm.max_children': '2' };
const PHP_SETTINGS: Readonly<Record<string, string>> = { 'opcache.enable': '1' };

const run = promisify(execFile);

/** A PHP-FPM of one's own in `folder`, with the PHP extensions of the machine. It dies with this process. */
export async function startPhpFpm({
  folder,
  pools,
  by = [],
  at = (path) => path,
}: {
  readonly folder: string;
  readonly pools: readonly PhpFpmPool[];
  /** What starts it: a program, with arguments, that becomes the server. Default: nothing. */
  readonly by?: readonly string[];
  /** Where a path that the server knows lies on this machine. Default: there. */
  readonly at?: (path: string) => string;
}): Promise<PrivatePhpFpm> {
  await mkdir(at(folder), { recursive: true });
  const { program: fpm, version } = await findPhpFpm();
  const socket = ({ name, port }: PhpFpmPool): string =>
    port === undefined ? join(folder, `${name}.sock`) : `127.0.0.1:${port}`;
  for (const pool of pools) {
    if (Buffer.byteLength(socket(pool)) > SOCKET_PATH_BYTES)
      throw new Error(`the path of the socket ${socket(pool)} is too long; choose a shorter folder`);
  }
  const configurationFile = join(folder, 'php-fpm.conf');
  const log = join(folder, 'php-fpm.log');
  const texts = await Promise.all(pools.map((pool) => poolConfiguration(pool, socket(pool))));
  await writeFile(
    at(configurationFile),
    `[global]\ndaemonize = no\nerror_log = ${log}\npid = ${join(folder, 'php-fpm.pid')}\n\n${texts.join('\n')}`,
  );
  const [program, ...args] = [...by, fpm, '--nodaemonize', '--fpm-config', configurationFile];
  const server = await startRestartable([program, ...args], at(log), async () =>
    (await Promise.all(pools.map((pool) => listens(pool.port === undefined ? at(socket(pool)) : socket(pool))))).every(
      Boolean,
    ),
  );
  return {
    ...server,
    version,
    socketOf(name) {
      const pool = pools.find((one) => one.name === name);
      if (pool === undefined) throw new Error(`there is no pool ${name}`);
      return socket(pool);
    },
  };
}

async function poolConfiguration({ name, owner, settings = {} }: PhpFpmPool, socket: string): Promise<string> {
  const isPoolSetting = (key: string): boolean => /^(?:pm(\.|$)|env\[)/.test(key);
  const given = Object.entries(settings);
  const poolSettings = { ...POOL_SETTINGS, ...Object.fromEntries(given.filter(([key]) => isPoolSetting(key))) };
  const phpSettings = { ...PHP_SETTINGS, ...Object.fromEntries(given.filter(([key]) => !isPoolSetting(key))) };
  return [
    `[${name}]`,
    ...(await accountLines(owner)),
    `listen = ${socket}`,
    'clear_env = yes',
    'catch_workers_output = yes',
    ...Object.entries(poolSettings).map(([key, value]) => `${key} = ${value}`),
    ...Object.entries(phpSettings).map(([key, value]) => `php_admin_value[${key}] = ${value}`),
    '',
  ].join('\n');
}

async function accountLines(owner: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return ['listen.mode = 0600'];
  const { stdout: group } = await run('id', ['-gn', owner]);
  return [
    `user = ${owner}`,
    `group = ${group.trim()}`,
    `listen.owner = ${WEB_SERVER_USER}`,
    `listen.group = ${WEB_SERVER_USER}`,
    'listen.mode = 0660',
  ];
}

/** The newest `php-fpm8.2`, or `php-fpm` where its name has no version. */
async function findPhpFpm(): Promise<{ program: string; version: string }> {
  const folders = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin'];
  const found: string[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    found.push(...names.filter((name) => /^php-fpm[\d.]*$/.test(name)).map((name) => join(folder, name)));
  }
  const [program] = found.sort((a, b) => b.localeCompare(a, undefined, { numeric: true }));
  if (program === undefined) throw new Error(`php-fpm is not installed in ${folders.join(', ')}`);
  const { stdout } = await run(program, ['-v']);
  const version = /^PHP (\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${program} does not tell its version`);
  return { program, version };
}

function listens(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const [host, port] = socket.split(':');
    const connection = port === undefined ? connect(socket) : connect(Number(port), host);
    const settle = (value: boolean): void => {
      connection.destroy();
      resolve(value);
    };
    connection.once('connect', () => settle(true));
    connection.once('error', () => settle(false));
  });
}
