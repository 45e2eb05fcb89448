import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { WebServerAddress } from '../../src/contract/target';
import { freePort } from './free-port';
import { type RestartableServer, startRestartable } from './tied-process';

export interface PrivateNginx extends RestartableServer {
  readonly address: WebServerAddress;
  readonly port: number;
  readonly configurationFile: string;
  readonly accessLog: string;
  readonly errorLog: string;
}

export interface PrivateNginxOptions {
  /** Fresh folder that the account of the server can pass. */
  readonly folder: string;
  /** System account of the workers when started by root. Default `www-data`. */
  readonly user?: string;
  /** What starts it: a program, with arguments, that becomes the server. Default: nothing. */
  readonly by?: readonly string[];
  /** Where it listens. Default: a free port of 127.0.0.1. */
  readonly listen?: { readonly address: string; readonly port: number };
  /** Where a path that the server knows lies on this machine. Default: there. */
  readonly at?: (path: string) => string;
}

/** An nginx of one's own in `folder`. It dies with this process. */
export async function startNginx({
  folder,
  user = 'www-data',
  by = [],
  listen: where,
  at = (path) => path,
}: PrivateNginxOptions): Promise<PrivateNginx> {
  const [vhosts, flags] = [join(folder, 'vhosts'), join(folder, 'flags')];
  const [logs, temporary] = [join(folder, 'logs'), join(folder, 'tmp')];
  for (const path of [folder, vhosts, flags, logs, temporary]) {
    await mkdir(at(path), { recursive: true });
    await chmod(at(path), 0o755);
  }
  const { address, port } = where ?? { address: '127.0.0.1', port: await freePort() };
  const configurationFile = join(folder, 'nginx.conf');
  const accessLog = join(logs, 'access.log');
  const errorLog = join(logs, 'error.log');
  const privileged = process.getuid?.() === 0;
  await writeFile(
    at(configurationFile),
    `${privileged ? `user ${user};\n` : ''}worker_processes 1;
daemon off;
pid "${join(folder, 'nginx.pid')}";
error_log "${errorLog}" notice;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log "${accessLog}";
    server_names_hash_bucket_size 128;
    client_body_temp_path "${join(temporary, 'body')}";
    fastcgi_temp_path "${join(temporary, 'fastcgi')}";
    proxy_temp_path "${join(temporary, 'proxy')}";
    scgi_temp_path "${join(temporary, 'scgi')}";
    uwsgi_temp_path "${join(temporary, 'uwsgi')}";
    server {
        listen ${address}:${port} default_server;
        return 444;
    }
    include "${join(vhosts, '*.conf')}";
}
`,
  );
  const [program, ...args] = [...by, 'nginx', '-c', configurationFile, '-e', errorLog];
  const server = await startRestartable([program, ...args], at(errorLog), () => listens(address, port));
  return {
    ...server,
    address: {
      name: 'lab',
      kind: 'nginx',
      vhosts,
      flags,
      test: ['nginx', '-t', '-c', configurationFile, '-e', errorLog],
      reload: ['nginx', '-s', 'reload', '-c', configurationFile, '-e', errorLog],
      listen: [{ address, port }],
    },
    port,
    configurationFile,
    accessLog,
    errorLog,
  };
}

function listens(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, address);
    const settle = (value: boolean): void => {
      connection.destroy();
      resolve(value);
    };
    connection.once('connect', () => settle(true));
    connection.once('error', () => settle(false));
  });
}
