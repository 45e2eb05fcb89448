import { z } from 'zod';
import type { Operation } from '../../operation';
import type { CacheServer, ObjectCache } from '../object-cache';
import { type Bootstrap, evaluateStructures } from '../settings-formats/php-evaluation';
import type { SettingsFile } from '../settings-formats/settings-format';

/** WordPress loads it in the place of its own cache, which ends with the request. */
const DROP_IN = {
  constant: 'WP_CONTENT_DIR',
  folder: 'wp-content',
  file: 'object-cache.php',
  words: ['redis', 'memcache'],
};

/** What several servers of one cache are set by: which of them has what is theirs to know. */
const SEVERAL_REDIS = ['WP_REDIS_CLUSTER', 'WP_REDIS_SERVERS', 'WP_REDIS_SHARDS', 'WP_REDIS_SENTINEL'];
const REDIS = ['SCHEME', 'HOST', 'PORT', 'PATH', 'DATABASE', 'USERNAME', 'PASSWORD', 'PREFIX'].map(
  (name) => `WP_REDIS_${name}`,
);

const text = z.union([z.string(), z.number()]).transform(String).nullable().catch(null);
/** A password, or a user and one. */
const credentials = z
  .union([
    text.pipe(z.string()).transform((password) => ({ user: null, password })),
    z.tuple([text, text]).transform(([user, password]) => ({ user, password })),
  ])
  .catch({ user: null, password: null });

/**
 * The object cache of a WordPress: that of its drop-in, by the settings that the drop-ins for Redis and memcached take.
 * Redis Object Cache: WP_REDIS_*. Object Cache Pro: WP_REDIS_CONFIG. WP Redis: $redis_server. For memcached:
 * $memcached_servers.
 * @throws KedgeError SettingsInvalid
 */
export async function wordPressObjectCache(
  file: SettingsFile,
  bootstrap: Bootstrap,
  operation: Operation,
): Promise<ObjectCache | null> {
  const names = [
    ...REDIS,
    ...SEVERAL_REDIS,
    'WP_REDIS_CONFIG',
    'WP_CACHE_KEY_SALT',
    'MULTISITE',
    '$redis_server',
    '$memcached_servers',
    '$table_prefix',
  ];
  const { structures, words } = await evaluateStructures(file, names, DROP_IN, { bootstrap }, operation);
  if (words === null) return null;
  const set = (name: string): unknown => structures.get(name) ?? null;
  const store = storeOf(words, set);
  if (store === null) return { store: 'unknown', why: 'Kedge knows no drop-in but those for Redis and memcached' };
  if (store === 'redis' && SEVERAL_REDIS.some((name) => set(name) !== null))
    return { store: 'unknown', why: 'it is one of several Redis servers' };
  const options = z.record(z.string(), z.unknown()).catch({}).parse(set('WP_REDIS_CONFIG'));
  return {
    store,
    servers: store === 'redis' ? [redisServer(set, options)] : memcachedServers(set('$memcached_servers')),
    prefixes: [
      ...(store === 'redis' ? [set('WP_REDIS_PREFIX'), options['prefix']] : []),
      set('WP_CACHE_KEY_SALT'),
    ].flatMap((prefix) => (typeof prefix === 'string' && prefix.trim() !== '' ? [prefix] : [])),
    tablePrefix: text.parse(set('$table_prefix')) ?? 'wp_',
    multisite: set('MULTISITE') === true,
  };
}

/** By what the drop-in speaks of; where it speaks of both, by what is set. */
function storeOf(words: readonly string[], set: (name: string) => unknown): 'redis' | 'memcached' | null {
  const [redis, memcached] = [words.includes('redis'), words.includes('memcache')];
  if (redis && memcached) return set('$memcached_servers') === null ? 'redis' : 'memcached';
  if (redis) return 'redis';
  return memcached ? 'memcached' : null;
}

function redisServer(set: (name: string) => unknown, options: Readonly<Record<string, unknown>>): CacheServer {
  const array = z.record(z.string(), z.unknown()).catch({}).parse(set('$redis_server'));
  const find = (name: string): string | null =>
    [set(`WP_REDIS_${name.toUpperCase()}`), options[name], array[name]]
      .map((value) => text.parse(value ?? null))
      .find((value) => value !== null && value !== '') ?? null;
  const { user, password } = credentials.parse(
    set('WP_REDIS_PASSWORD') ?? options['password'] ?? array['auth'] ?? null,
  );
  return {
    address: addressOf(find('scheme'), find('host') ?? '127.0.0.1', find('port') ?? '6379', find('path')),
    database: Number(find('database') ?? 0) || 0,
    user: user ?? find('username'),
    password: password === '' ? null : password,
  };
}

function addressOf(scheme: string | null, host: string, port: string, path: string | null): string {
  const socket = scheme === 'unix' && path !== null ? path : host.replace(/^unix:(\/\/)?/, '');
  if (socket.startsWith('/')) return `unix://${socket}`;
  const [, named, plain = host] = /^(\w+):\/\/(.*)$/.exec(host) ?? [];
  const encrypted = ['tls', 'rediss', 'ssl'].includes(scheme ?? named ?? '');
  const bracketed = plain.includes(':') && !plain.startsWith('[') ? `[${plain}]` : plain;
  return `${encrypted ? 'tls' : 'tcp'}://${bracketed}:${port}`;
}

const DEFAULT_MEMCACHED = 'tcp://127.0.0.1:11211';

/** `['host:port']`, `['bucket' => ['host:port']]`, `[['host', port, weight]]`, or sockets in the place of hosts. */
function memcachedServers(value: unknown): CacheServer[] {
  const found = new Set<string>();
  const visit = (item: unknown): void => {
    if (typeof item === 'string') found.add(memcachedAddress(item, null));
    else if (
      Array.isArray(item) &&
      typeof item[0] === 'string' &&
      (typeof item[1] === 'number' || /^\d+$/.test(String(item[1])))
    )
      found.add(memcachedAddress(item[0], Number(item[1])));
    else if (item !== null && typeof item === 'object') Object.values(item).forEach(visit);
  };
  visit(value);
  if (found.size === 0) found.add(DEFAULT_MEMCACHED);
  return [...found].map((address) => ({ address, database: 0, user: null, password: null }));
}

function memcachedAddress(host: string, port: number | null): string {
  const socket = host.replace(/^unix:\/\//, '').replace(/:0$/, '');
  if (socket.startsWith('/')) return `unix://${socket}`;
  return /:\d+$/.test(host) ? `tcp://${host}` : `tcp://${host}:${port ?? 11211}`;
}
