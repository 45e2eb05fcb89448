import { trustedCommand } from '../hosts/trusted-command';
import type { Operation } from '../operation';
import { flushObjectCache } from './object-cache';
import type { SiteAtWork } from './site-at-work';

const RELOAD_LIMIT_MS = 60_000;

/** PHP runs the code that is live now. Where its cache cannot be told, FPM is reloaded if the configuration says how; else it warns. */
export async function refreshCode(
  { location, host, webServer }: Pick<SiteAtWork, 'location' | 'host' | 'webServer'>,
  operation: Operation,
): Promise<void> {
  const { uri, phpReload } = location;
  const cache = await webServer
    .refreshPhp(location, operation)
    .catch((error: unknown) => ({ state: 'kept', why: whyOf(error, operation) }) as const);
  if (cache.state === 'refreshed') operation.log.info(`PHP of ${uri} forgot ${cache.scripts} scripts`);
  if (cache.state === 'off') operation.log.info(`PHP of ${uri} keeps no code: opcache is off`);
  if (cache.state === 'no answer') operation.log.info(cache.why);
  if ('busy' in cache)
    operation.log.warn(
      `${cache.busy} workers of PHP of ${uri} were busy, and may look for files where they were before, for as long as \`realpath_cache_ttl\` says`,
    );
  if (cache.state !== 'kept') return;
  if (phpReload === undefined) {
    operation.log.warn(
      `PHP of ${uri} may go on running code from before: ${cache.why}. Reload PHP-FPM, or let Kedge do so by \`php.reload\` of the site`,
    );
    return;
  }
  try {
    await host.run({ argv: await trustedCommand(host, phpReload), limits: { timeoutMs: RELOAD_LIMIT_MS }, operation });
    operation.log.info(`PHP-FPM of ${uri} was reloaded: ${cache.why}`);
  } catch (error) {
    operation.log.warn(
      `PHP of ${uri} may go on running code from before: ${cache.why}, and \`php.reload\` failed: ${whyOf(error, operation)}`,
    );
  }
}

/** The site's object cache has forgotten what it held of another database. What cannot be flushed is a warning. */
export async function refreshObjectCache(
  { location, folder, kind, webServer }: Pick<SiteAtWork, 'location' | 'folder' | 'kind' | 'webServer'>,
  operation: Operation,
): Promise<void> {
  let problem: string | null;
  try {
    const cache = await kind.objectCache(folder, operation);
    if (cache === null) return;
    const flushed = await flushObjectCache(webServer, location, cache, operation);
    if (flushed.problem === null) {
      operation.log.info(`the object cache of ${location.uri} forgot ${flushed.removed} keys`);
      return;
    }
    ({ problem } = flushed);
  } catch (error) {
    problem = whyOf(error, operation);
  }
  operation.log.warn(
    `the object cache of ${location.uri} was not flushed, and may hold content from before: ${problem}. Flush it by hand, by \`wp cache flush\` say`,
  );
}

/** A cache that stays as it was keeps no site shut, whatever went wrong with it. @throws the signal's reason */
function whyOf(error: unknown, { signal }: Operation): string {
  signal.throwIfAborted();
  return error instanceof Error ? error.message : String(error);
}
