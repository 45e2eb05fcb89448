import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DatabaseServerAddress } from '../../src/contract/target';
import { findSystemPrograms } from './system-programs';
import { freePort } from './free-port';
import { prepare } from './prepared';

export interface PrivateMariadb {
  readonly address: DatabaseServerAddress;
  readonly socket: string;
  readonly port: number;
  /** Process of the server that runs now, or ran last. */
  readonly pid: number;
  /** Runs SQL as the admin account; returns rows as lines, columns separated by tabs, without headers. */
  query(sql: string): Promise<string>;
  /** Shuts down in good order. */
  stop(): Promise<void>;
  /** Ends it as a power failure would; returns at once. */
  kill(): void;
  /** Ends it for good, whatever becomes of its data: in good order that takes a second. */
  discard(): Promise<void>;
  /** Starts it again on the same data, after `kill` or `stop`. */
  start(): Promise<void>;
}

export interface PrivateMariadbOptions {
  /** Fresh folder, short enough for a socket's path. The system account of the server must be able to pass it. */
  readonly folder: string;
  /** System account of the server. Default: `mysql` for root, otherwise the current user. */
  readonly runAs?: string;
  /** Further options of mariadbd, such as `--log-bin`. */
  readonly options?: readonly string[];
  /** The admin account in `address` logs in with this password, from a file. Default: by its socket, as who it is. */
  readonly adminPassword?: string;
}

/** The same from the start: a server writes its log anew when its size changes. */
const LOG_SIZE = '--innodb-log-file-size=8M';
const DEADLINE_MS = 60_000;
const run = promisify(execFile);

/** A MariaDB of one's own below `folder`: own socket, own data, 127.0.0.1 on a free port. It dies with this process. */
export async function startMariadb({
  folder,
  runAs,
  options = [],
  adminPassword,
}: PrivateMariadbOptions): Promise<PrivateMariadb> {
  const me = userInfo().username;
  const privileged = process.getuid?.() === 0;
  const account = privileged ? (runAs ?? 'mysql') : me;
  const data = join(folder, 'mariadb-data');
  // The server's socket has a folder of its own, so that a sandbox that shows it shows nothing else.
  const sockets = join(folder, 'mariadb');
  const socket = join(sockets, 'mariadb.sock');
  await mkdir(sockets, { mode: 0o755 });
  // A starting server removes the temporary tables it finds, and in /tmp they may be another server's.
  const temporary = join(folder, 'mariadb-tmp');
  await mkdir(temporary, { mode: 0o700 });
  if (privileged) await run('chown', [account, sockets, temporary]);
  findSystemPrograms();
  const { stdout: version } = await run('mariadbd', ['--version']);
  await prepare('mariadb', [version, me, account, LOG_SIZE], data, async () => {
    await mkdir(data, { mode: 0o700 });
    if (privileged) await run('chown', [account, data]);
    await run('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${temporary}`,
      '--auth-root-authentication-method=socket',
      `--auth-root-socket-user=${me}`,
      '--skip-test-db',
      LOG_SIZE,
      ...(privileged ? [`--user=${account}`] : []),
    ]);
  });
  const port = await freePort();
  const log = join(sockets, 'error.log');
  const command = mariadbdCommand({ data, temporary, socket, log, port, options });
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    await rm(socket, { force: true });
    // The account is changed before the death signal is set: changing it would clear the signal.
    const become = privileged ? [`--reuid=${account}`, `--regid=${account}`, '--init-groups'] : [];
    const child = spawn('setpriv', [...become, '--pdeathsig=KILL', '--', ...command], { stdio: 'ignore' });
    server = child;
    let failure = '';
    child.once('error', (error) => (failure = error.message));
    const deadline = Date.now() + DEADLINE_MS;
    while (!(await answersAt(socket))) {
      if (failure !== '' || child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`mariadbd did not start: ${failure || `see ${log}`}`);
      }
      await delay(20);
    }
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = server;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await Promise.race([gone, delay(DEADLINE_MS, undefined, { ref: false })]);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await gone;
    }
  };

  const query = queryBy(socket);
  await start();
  const admin =
    adminPassword === undefined ? { user: me } : await makeAdmin(query, join(folder, 'admin.password'), adminPassword);
  return {
    address: { name: 'lab', kind: 'mariadb', socket, admin },
    socket,
    port,
    get pid() {
      return server?.pid ?? 0;
    },
    query,
    stop: () => end('SIGTERM'),
    kill: () => void server?.kill('SIGKILL'),
    discard: () => end('SIGKILL'),
    async start() {
      await end('SIGKILL');
      await start();
    },
  };
}

/** The program, with arguments, that becomes such a server; its process id is in `mariadb.pid` beside its socket. */
export function mariadbdCommand({
  data,
  temporary,
  socket,
  log,
  port,
  options,
}: {
  readonly data: string;
  readonly temporary: string;
  readonly socket: string;
  readonly log: string;
  readonly port: number;
  readonly options: readonly string[];
}): string[] {
  return [
    'mariadbd',
    '--no-defaults',
    `--datadir=${data}`,
    `--tmpdir=${temporary}`,
    `--socket=${socket}`,
    `--pid-file=${join(dirname(socket), 'mariadb.pid')}`,
    `--log-error=${log}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--event-scheduler=ON',
    '--skip-log-bin',
    '--innodb-buffer-pool-size=32M',
    LOG_SIZE,
    '--innodb-flush-log-at-trx-commit=2',
    '--key-buffer-size=1M',
    '--aria-pagecache-buffer-size=1M',
    '--performance-schema=OFF',
    ...options,
  ];
}

/** Runs SQL by a socket, as the account of this process; see {@link PrivateMariadb.query}. */
export function queryBy(socket: string): (sql: string) => Promise<string> {
  return async (sql) => {
    const client = run(
      'mariadb',
      [
        '--no-defaults',
        `--socket=${socket}`,
        `--user=${userInfo().username}`,
        '--batch',
        '--skip-column-names',
        '--binary-mode',
        '--comments',
        '--default-character-set=utf8mb4',
      ],
      { maxBuffer: 64 * 1024 * 1024 },
    );
    client.child.stdin?.end(sql);
    return (await client).stdout;
  };
}

async function makeAdmin(
  query: (sql: string) => Promise<string>,
  file: string,
  password: string,
): Promise<DatabaseServerAddress['admin']> {
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  const quoted = password.replaceAll('\\', '\\\\').replaceAll("'", "''");
  await query(`GRANT ALL PRIVILEGES ON *.* TO 'kedge'@'localhost' IDENTIFIED BY '${quoted}' WITH GRANT OPTION`);
  return { user: 'kedge', password: { file } };
}

/** True when a database server greets who connects to its socket. */
export async function answersAt(socket: string): Promise<boolean> {
  if (!(await stat(socket).catch(() => undefined))) return false;
  return new Promise((resolve) => {
    const connection = connect(socket);
    const settle = (value: boolean): void => {
      connection.destroy();
      resolve(value);
    };
    connection.once('data', () => settle(true));
    connection.once('error', () => settle(false));
    connection.once('close', () => settle(false));
  });
}
