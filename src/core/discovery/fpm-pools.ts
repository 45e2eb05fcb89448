import { isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { matchingFiles } from '../hosts/file-pattern';

/** A pool of PHP-FPM. */
export interface FpmPool {
  readonly name: string;
  readonly user: string | null;
  /** A socket's path, or an address. */
  readonly listen: string;
  readonly file: string;
}

/** Where the packages of Debian, Fedora and PHP itself keep FPM's configuration. */
export async function fpmConfigurations(host: Host): Promise<string[]> {
  const debian = (await host.list('/etc/php')).map((version) => `/etc/php/${version}/fpm/php-fpm.conf`);
  const candidates = [...debian, '/etc/php-fpm.conf', '/usr/local/etc/php-fpm.conf'];
  const found = await Promise.all(
    candidates.map(async (path) => ((await host.status(path))?.type === 'file' ? path : null)),
  );
  return found.filter((path) => path !== null);
}

/** The pools of FPM's configuration files, with those they include. What cannot be read is passed over. */
export async function readFpmPools(host: Host, configurations: readonly string[]): Promise<FpmPool[]> {
  const pools: FpmPool[] = [];
  for (const path of configurations) {
    const text = await textOf(host, path);
    pools.push(...poolsOf(path, text));
    for (const [, pattern = ''] of text.matchAll(/^\s*include\s*=\s*(\S+)/gm))
      for (const file of await matchingFiles(host, pattern)) pools.push(...poolsOf(file, await textOf(host, file)));
  }
  return pools;
}

function poolsOf(file: string, text: string): FpmPool[] {
  const sections = text.split(/^[ \t]*\[([^\]\n]+)\]/m).slice(1);
  const pools: FpmPool[] = [];
  for (let index = 0; index < sections.length; index += 2) {
    const [name = '', body = ''] = [sections[index], sections[index + 1]];
    const value = (key: string): string | undefined =>
      new RegExp(`^\\s*${key}\\s*=\\s*"?([^\\s";]+)`, 'm').exec(body)?.[1]?.replaceAll('$pool', name);
    const listen = value('listen');
    if (name !== 'global' && listen !== undefined) pools.push({ name, user: value('user') ?? null, listen, file });
  }
  return pools;
}

async function textOf(host: Host, path: string): Promise<string> {
  try {
    return (await host.readFile(path)).toString('utf8');
  } catch (error) {
    if (isKedgeError(error) || (error instanceof Error && 'code' in error)) return '';
    throw error;
  }
}
