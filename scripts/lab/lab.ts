import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type PrivateMariadb, startMariadb } from './mariadb';
import { type PrivateNginx, startNginx } from './nginx';
import { type PrivatePhpFpm, startPhpFpm } from './php-fpm';
import { makePrivateFolder, removePrivateFolder } from './private-folder';
import { type PrivateTemporal, startTemporal } from './temporal';
import { type WordPressSite, installWordPress } from './wordpress';

/** One machine with everything Kedge works on, all of it private: it touches nothing that runs already. */
export interface Lab {
  readonly folder: string;
  readonly mariadb: PrivateMariadb;
  readonly nginx: PrivateNginx;
  readonly phpFpm: PrivatePhpFpm;
  readonly temporal: PrivateTemporal;
  readonly sites: readonly WordPressSite[];
  readonly configuration: string;
  readonly backups: string;
  readonly state: string;
  /** For commands that act on this lab. */
  readonly environment: Record<string, string>;
  stop(): Promise<void>;
}

export interface LabOptions {
  /** Folder to build below, when other accounts can reach it. */
  readonly below: string | null;
  readonly sites: readonly string[];
  readonly onProgress?: (what: string) => void;
  /** Settings of PHP. */
  readonly phpSettings?: Record<string, string>;
  /** Options of mariadbd. */
  readonly databaseOptions?: readonly string[];
  /** Without what only WordPress' administration and editor load: half the files of a site. Tests of many tasks need no more. */
  readonly withoutAdministration?: boolean;
  /** Gives up between two parts. */
  readonly signal?: AbortSignal;
  /** What starts the web server and PHP: a program, with arguments, that becomes the server. Default: nothing. */
  readonly webBy?: readonly string[];
  /** Kedge's database account logs in with this password. Default: by its socket. */
  readonly adminPassword?: string;
}

/** Stops what was started, newest first, also when a later part fails to start. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const folder = await makePrivateFolder(options.below);
  const stops: (() => Promise<void>)[] = [async () => removePrivateFolder(folder)];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next; next = stops.pop()) await next();
  };
  const tell = (what: string): void => {
    options.signal?.throwIfAborted();
    options.onProgress?.(what);
  };
  try {
    const owner = process.getuid?.() === 0 ? 'www-data' : userInfo().username;
    tell('MariaDB');
    const { adminPassword, databaseOptions = [] } = options;
    const mariadb = await startMariadb({
      folder,
      options: databaseOptions,
      ...(adminPassword === undefined ? {} : { adminPassword }),
    });
    stops.push(() => mariadb.stop());
    tell('PHP-FPM');
    const pools = options.sites.map((_uri, index) => ({
      name: `pool${index}`,
      owner,
      settings: options.phpSettings ?? {},
    }));
    const by = options.webBy ?? [];
    const phpFpm = await startPhpFpm({ folder, pools, by });
    stops.push(() => phpFpm.stop());
    tell('nginx');
    const nginx = await startNginx({ folder, by });
    stops.push(() => nginx.stop());
    tell('Temporal');
    const temporal = await startTemporal({ folder });
    stops.push(() => temporal.stop());

    const srv = join(folder, 'srv');
    await mkdir(srv, { mode: 0o755 });
    const sites: WordPressSite[] = [];
    for (const uri of options.sites) {
      tell(`WordPress ${uri}`);
      const { withoutAdministration = false } = options;
      const root = join(srv, uri);
      sites.push(await installWordPress({ uri, root, owner, mariadb, port: nginx.port, withoutAdministration }));
    }
    const backups = join(folder, 'backups');
    const state = join(folder, 'state');
    const configuration = join(folder, 'kedge.yaml');
    const { vhosts, flags, test, reload, listen } = nginx.address;
    const web = {
      kind: 'nginx',
      vhosts,
      flags,
      test,
      reload,
      listen: listen.map(({ address, port }) => `${address}:${port}`),
    };
    const db = { kind: 'mariadb', socket: mariadb.socket, admin: mariadb.address.admin };
    const entries = sites.map((site, index) => [
      site.uri,
      {
        kind: 'wordpress',
        server: 'master',
        root: site.root,
        owner,
        php: { socket: phpFpm.socketOf(`pool${index}`) },
        db: 'master',
        vhost: 'managed',
      },
    ]);
    const signingKey = join(folder, 'signing.key');
    await writeFile(signingKey, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
    await writeFile(
      configuration,
      stringify({
        master: 'lab',
        backups,
        state,
        requests: { key: { file: signingKey } },
        servers: { master: { web, db } },
        sites: Object.fromEntries(entries) as object,
      }),
    );
    options.signal?.throwIfAborted();
    return {
      folder,
      mariadb,
      nginx,
      phpFpm,
      temporal,
      sites,
      configuration,
      backups,
      state,
      environment: {
        KEDGE_CONFIG: configuration,
        KEDGE_SIGNING_KEY_FILE: signingKey,
        TEMPORAL_ADDRESS: temporal.address,
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
