import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { type PrivateNginx, startNginx } from '../../../scripts/lab/nginx';
import { type PhpFpmPool, type PrivatePhpFpm, startPhpFpm } from '../../../scripts/lab/php-fpm';
import type { SiteLocation } from '../../../src/contract/target';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import type { WebServer } from '../../../src/core/web/web-server';
import { expectNothingLeft } from '../../helpers/nothing-left';
import { siteLocation } from '../../helpers/target';

export interface WebLab {
  readonly folder: string;
  readonly nginx: PrivateNginx;
  readonly php: PrivatePhpFpm;
  readonly web: WebServer;
  /** A site with an index.php, a static file and an uploads folder. */
  makeSite(uri: string, changes?: Partial<SiteLocation>): Promise<SiteLocation>;
  stop(): Promise<void>;
}

export const host = createLocalHost({ name: 'lab' });
const privileged = process.getuid?.() === 0;
/** Owner of sites and FPM pools in these tests. */
export const OWNER = privileged ? 'nobody' : userInfo().username;

/** nginx and PHP-FPM of one's own, below a fresh folder that every account can pass. */
export async function startWebLab(pools?: readonly PhpFpmPool[]): Promise<WebLab> {
  const folder = await mkdtemp('/var/tmp/kw');
  await chmod(folder, 0o755);
  let nginx: PrivateNginx | undefined;
  let php: PrivatePhpFpm | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([nginx?.stop(), php?.stop()]);
    await rm(folder, { recursive: true, force: true });
    await expectNothingLeft(folder);
  };
  try {
    nginx = await startNginx({ folder: join(folder, 'nginx') });
    php = await startPhpFpm({ folder: join(folder, 'php'), pools: pools ?? [{ name: 'site', owner: OWNER }] });
  } catch (error) {
    // What is left says less than why it did not start.
    await stop().catch(() => undefined);
    throw error;
  }
  const phpSocket = php.socketOf(pools?.[0]?.name ?? 'site');
  return {
    folder,
    nginx,
    php,
    web: createNginx({ address: nginx.address, host, loadLimitMs: 5000 }),
    async makeSite(uri, changes = {}) {
      const site = siteLocation({
        uri,
        root: join(folder, 'sites', uri),
        owner: { user: OWNER, uid: 65534, gid: 65534 },
        phpSocket,
        vhost: 'managed',
        ...changes,
      });
      await put(
        join(site.root, 'index.php'),
        `<?php echo '<html><title>Home of ${uri}</title>', $_SERVER['REQUEST_METHOD'];`,
      );
      await put(join(site.root, 'static.txt'), 'static');
      return site;
    },
    stop,
  };
}

/** Writes a file and its folders, readable by all. */
export async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

export interface Visit {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A visitor's request, not made by the code under test. */
export function visit(
  lab: WebLab,
  uri: string,
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: lab.nginx.port, path, method, headers: { host: uri, ...headers }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
