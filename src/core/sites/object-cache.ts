import { join } from 'node:path';
import { z } from 'zod';
import { monotonicMs } from '../clock';
import { isKedgeError } from '../../contract/errors';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import type { WebServer } from '../web/web-server';
import { readPhpCode } from '../php/php-code';

/** Where a site keeps what it has read from its database, apart from it. */
export type ObjectCache =
  | {
      readonly store: 'redis' | 'memcached';
      readonly servers: readonly CacheServer[];
      /** What the names of the site's keys begin with, as its settings say; empty where they say nothing. */
      readonly prefixes: readonly string[];
      /** Without a prefix the names begin with that of the site's tables. */
      readonly tablePrefix: string;
      /** Several sites in one installation have numbers in the place of the table prefix. */
      readonly multisite: boolean;
    }
  | { readonly store: 'unknown'; readonly why: string };

export interface CacheServer {
  /** As PHP's streams take it: `tcp://127.0.0.1:6379`, `tls://…`, `unix:///run/redis.sock`. */
  readonly address: string;
  readonly database: number;
  /** Null where none is needed. */
  readonly user: string | null;
  readonly password: string | null;
}

export interface FlushResult {
  /** Keys that were removed. */
  readonly removed: number;
  /** Why old content may be left; null when none is. */
  readonly problem: string | null;
}

/** Visitors wait as long, whatever the servers do that settings of the site name. */
const TIME_LIMIT_MS = 10_000;
/** PHP's own start and end, beyond what its script takes. */
const PHP_MS = 1_000;

const answerSchema = z.union([
  z.strictObject({ removed: z.int().nonnegative(), left: z.int().nonnegative() }),
  z.strictObject({ problem: z.string().max(200) }),
]);

/**
 * Removes the site's own keys from its object cache, and no other: a server may be shared by sites, and by what is no cache.
 * The site's own PHP does it, with a script of Kedge's; nothing of the site is run. What is not done within `timeLimitMs`
 * stays, and is told.
 */
export async function flushObjectCache(
  web: Pick<WebServer, 'runPhpScript'>,
  site: SiteLocation,
  cache: ObjectCache,
  operation: Operation,
  timeLimitMs = TIME_LIMIT_MS,
): Promise<FlushResult> {
  if (cache.store === 'unknown') return { removed: 0, problem: cache.why };
  const { store, servers, multisite, tablePrefix } = cache;
  const prefixes = cache.prefixes.map((prefix) => prefix.replace(/\s+/g, '')).filter((prefix) => prefix !== '');
  const unnamed = 'its settings give its keys no prefix (WP_CACHE_KEY_SALT) to tell them from those of others';
  if (prefixes.length === 0 && multisite) return { removed: 0, problem: unnamed };
  let removed = 0;
  const deadline = monotonicMs() + timeLimitMs;
  for (const server of servers) {
    const leftMs = deadline - monotonicMs();
    if (leftMs <= 0) return { removed, problem: 'its servers take too long' };
    const request = { store, server, prefixes, tablePrefix, seconds: leftMs / 1000 };
    const timeoutMs = leftMs + PHP_MS;
    const where = server.address.replace(/^\w+:\/\//, '');
    try {
      const answer = await web.runPhpScript(
        site,
        { code: SCRIPT, request, answer: answerSchema, timeoutMs },
        operation,
      );
      if (answer === null) return { removed, problem: `PHP does not run what Kedge asks it to` };
      if ('problem' in answer) return { removed, problem: `${where}: ${printable(answer.problem)}` };
      removed += answer.removed;
      if (prefixes.length === 0 && answer.removed === 0 && answer.left > 0) return { removed, problem: unnamed };
    } catch (error) {
      if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
      return { removed, problem: error.message };
    }
  }
  return { removed, problem: null };
}

/** Words of a server the site has chosen. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

const SCRIPT = readPhpCode(join(__dirname, 'object-cache.php'));
