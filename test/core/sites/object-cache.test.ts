import { mkdir } from 'node:fs/promises';
import { type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { type ObjectCache, flushObjectCache } from '../../../src/core/sites/object-cache';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type CacheServerProcess, memcached, redis, startMemcached, startRedis } from '../../helpers/cache-servers';
import { OWNER, type WebLab, startWebLab } from '../web/web-lab';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

let lab: WebLab;
let open: CacheServerProcess;
let locked: CacheServerProcess;
let memory: CacheServerProcess;
let blind: CacheServerProcess;
let site: SiteLocation;
let fixture: Fixture;

beforeAll(async () => {
  lab = await startWebLab([
    { name: 'site', owner: OWNER },
    { name: 'mute', owner: OWNER, settings: { disable_functions: 'stream_socket_client' } },
  ]);
  const folder = join(lab.folder, 'caches');
  await mkdir(folder, { mode: 0o755 });
  open = await startRedis(folder, 'open');
  locked = await startRedis(folder, 'locked', 'redis-password');
  memory = await startMemcached(folder, 'memory');
  blind = await startMemcached(folder, 'blind', '-o', 'no_lru_crawler');
  site = await lab.makeSite('shop.example');
});
afterAll(async () => {
  await Promise.all([open?.stop(), locked?.stop(), memory?.stop(), blind?.stop()]);
  await lab?.stop();
});
beforeEach(async () => {
  fixture = await makeSite();
  await fixture.write('wp-settings.php', '');
});
afterEach(() => fixture.remove());

/** The object cache of a WordPress with these settings and a drop-in that says this. */
async function cacheOf(settings: string, dropIn: string | null): Promise<ObjectCache | null> {
  if (dropIn !== null) await fixture.write('wp-content/object-cache.php', `<?php // ${dropIn}`);
  await fixture.write(
    'wp-config.php',
    `<?php ${settings} $table_prefix = 'wp_'; require_once ABSPATH . 'wp-settings.php';`,
  );
  return siteKindOf(fixture.folder.site).objectCache(fixture.folder, testOperation());
}
async function flush(settings: string, dropIn: string, by = site) {
  const cache = await cacheOf(settings, dropIn);
  if (cache === null) throw new Error('no object cache was found');
  return flushObjectCache(lab.web, by, cache, testOperation());
}

test('none without a drop-in; settings that cannot be read are told', async () => {
  expect(await cacheOf("define('WP_REDIS_HOST', 'h');", null)).toBeNull();
  await fixture.write('wp-content/object-cache.php', '<?php');
  await expect(cacheOf('exit;', 'Redis')).rejects.toMatchObject({ code: 'SettingsInvalid' });
});

const tcp = { address: 'tcp://127.0.0.1:6379', database: 0, user: null, password: null };
test.each([
  ['nothing set', 'Redis', '', [tcp], []],
  [
    'a socket',
    'Redis',
    "define('WP_REDIS_SCHEME', 'unix'); define('WP_REDIS_PATH', '/run/r.sock'); define('WP_REDIS_DATABASE', 3); define('WP_REDIS_PREFIX', 'shop:');",
    [{ ...tcp, address: 'unix:///run/r.sock', database: 3 }],
    ['shop:'],
  ],
  [
    'TLS, a user',
    'Redis',
    "define('WP_REDIS_SCHEME', 'tls'); define('WP_REDIS_HOST', 'r.example'); define('WP_REDIS_PORT', '6380'); define('WP_REDIS_PASSWORD', ['me', 'p']); define('WP_CACHE_KEY_SALT', 'salt');",
    [{ address: 'tls://r.example:6380', database: 0, user: 'me', password: 'p' }],
    ['salt'],
  ],
  [
    'Object Cache Pro',
    'Redis',
    "define('WP_REDIS_CONFIG', ['host' => '::1', 'port' => 7, 'database' => '2', 'password' => 'q', 'prefix' => 'pro']);",
    [{ address: 'tcp://[::1]:7', database: 2, user: null, password: 'q' }],
    ['pro'],
  ],
  [
    'WP Redis',
    'Redis',
    "$redis_server = ['host' => '/run/r.sock', 'auth' => 'a', 'database' => 1];",
    [{ address: 'unix:///run/r.sock', database: 1, user: null, password: 'a' }],
    [],
  ],
  ['memcached, nothing set', 'Memcached', '', [{ ...tcp, address: 'tcp://127.0.0.1:11211' }], []],
  [
    'memcached, servers in every form',
    'Memcache',
    "$memcached_servers = ['default' => ['a.example:1', 'b.example'], 'users' => ['unix:///run/m.sock:0'], ['c.example', 2, 50]]; define('WP_REDIS_PREFIX', 'no'); define('WP_CACHE_KEY_SALT', 's');",
    ['tcp://c.example:2', 'tcp://a.example:1', 'tcp://b.example:11211', 'unix:///run/m.sock'].map((address) => ({
      ...tcp,
      address,
    })),
    ['s'],
  ],
])('settings: %s', async (_what, dropIn, settings, servers, prefixes) => {
  expect(await cacheOf(settings, dropIn)).toMatchObject({ servers, prefixes, tablePrefix: 'wp_', multisite: false });
});

test('what Kedge does not know it leaves alone, and says so', async () => {
  expect(await flush('', 'APCu')).toEqual({ removed: 0, problem: expect.stringContaining('no drop-in but') as string });
  const cluster = await flush("define('WP_REDIS_CLUSTER', ['tcp://127.0.0.1:1']);", 'Redis');
  expect(cluster).toEqual({ removed: 0, problem: expect.stringContaining('several Redis servers') as string });
  const network = await flush(`define('WP_REDIS_PORT', ${open.port}); define('MULTISITE', true);`, 'Redis');
  expect(network).toEqual({ removed: 0, problem: expect.stringContaining('WP_CACHE_KEY_SALT') as string });
});

describe('Redis', () => {
  const keys = (server: CacheServerProcess, ...before: string[]): string[] =>
    redis(server, ...before, 'KEYS', '*')
      .split('\n')
      .filter(Boolean)
      .sort();
  beforeEach(() => {
    redis(open, 'FLUSHALL');
    redis(locked, '-a', 'redis-password', 'FLUSHALL');
  });

  test("the site's own keys go by its prefix, in its database; those of others stay", async () => {
    const neighbours = ['other:wp_:options:alloptions', 'session:1', 'shoq?wp_:x', 'wp_:posts:1'];
    for (const key of neighbours) redis(open, '-n', '2', 'SET', key, 'x');
    redis(open, 'SET', 'sh[p?wp_:in-another-database', 'x');
    // More than one answer of SCAN holds.
    redis(open, '-n', '2', 'EVAL', "for i = 1, 5000 do redis.call('SET', 'sh[p?wp_:posts:' .. i, i) end", '0');
    redis(open, '-n', '2', 'HSET', 'sh[p?:counts', 'a', '1');
    const settings = `define('WP_REDIS_SCHEME', 'unix'); define('WP_REDIS_PATH', '${open.socket}'); define('WP_REDIS_DATABASE', 2); define('WP_REDIS_PREFIX', 'sh[p?');`;
    expect(await flush(settings, 'Redis')).toEqual({ removed: 5001, problem: null });
    expect(keys(open, '-n', '2')).toEqual([...neighbours].sort());
    expect(keys(open)).toEqual(['sh[p?wp_:in-another-database']);
    expect(await flush(settings, 'Redis')).toEqual({ removed: 0, problem: null });
  });

  test('without a prefix they go by that of the tables; where that is none either, nothing goes', async () => {
    const settings = `define('WP_REDIS_PORT', ${open.port});`;
    expect(await flush(settings, 'Redis')).toEqual({ removed: 0, problem: null });
    for (const key of ['wp_:posts:1', 'wp_:options:alloptions', 'wp_2:posts:1', 'session:1'])
      redis(open, 'SET', key, 'x');
    expect(await flush(settings, 'Redis')).toEqual({ removed: 2, problem: null });
    expect(keys(open)).toEqual(['session:1', 'wp_2:posts:1']);
    expect(await flush(settings, 'Redis')).toEqual({
      removed: 0,
      problem: expect.stringContaining('WP_CACHE_KEY_SALT') as string,
    });
  });

  test('a password; a wrong one; nobody there; PHP that may not connect; PHP that does not answer', async () => {
    redis(locked, '-a', 'redis-password', 'SET', 'shop:1', 'x');
    const settings = (port: number, password: string): string =>
      `define('WP_REDIS_PORT', ${port}); define('WP_REDIS_PASSWORD', ${password}); define('WP_REDIS_PREFIX', 'shop');`;
    const wrong = await flush(settings(locked.port, "'wrong-canary'"), 'Redis');
    expect(wrong.problem).toMatch(/^127\.0\.0\.1:\d+: answers WRONGPASS/);
    expect(wrong.problem).not.toContain('canary');
    expect(await flush(settings(locked.port, "'redis-password'"), 'Redis')).toEqual({ removed: 1, problem: null });
    redis(locked, '-a', 'redis-password', 'SET', 'shop:1', 'x');
    expect(await flush(settings(locked.port, "['default', 'redis-password']"), 'Redis')).toMatchObject({ removed: 1 });
    expect((await flush(settings(1, "''"), 'Redis')).problem).toContain('cannot be reached');
    const mute = { ...site, phpSocket: lab.php.socketOf('mute') };
    expect((await flush(settings(open.port, "''"), 'Redis', mute)).problem).toContain('disable_functions');
    const gone = { ...site, phpSocket: join(lab.folder, 'none.sock') };
    expect((await flush(settings(open.port, "''"), 'Redis', gone)).problem).toContain('PHP does not answer');
    const web = `define('WP_REDIS_PORT', ${lab.nginx.port});`;
    expect((await flush(web, 'Redis')).problem).toMatch(/is no Redis|ended the connection/);
  });
});

describe('memcached', () => {
  const set = async (place: number | string, ...names: string[]): Promise<void> => {
    for (const name of names) await memcached(place, `set ${name} 0 0 1\r\nx\r\n`, /STORED/);
  };
  const missing = async (place: number | string, ...names: string[]): Promise<string[]> => {
    const found = await memcached(place, `get ${names.join(' ')}\r\n`, /END\r\n$/);
    return names.filter((name) => !found.includes(`VALUE ${name} `));
  };

  test("the site's own keys go, on every server; those of others stay", async () => {
    const own = ['wp_:posts:1', '_:wp_:WP_Object_Cache:flush_number', '1795576780048:wp_:options:alloptions'];
    const others = ['wp_2:posts:1', 'other:wp_:posts:1', 'session', 'x1:wp_:posts:1', 'pct%3Awp_:1'];
    for (const place of [memory.port, memory.socket]) {
      await memcached(place, 'flush_all\r\n', /OK/);
      await set(place, ...own, ...others);
    }
    const servers = `$memcached_servers = ['127.0.0.1:${memory.port}', 'unix://${memory.socket}:0'];`;
    expect(await flush(servers, 'Memcached')).toEqual({ removed: 6, problem: null });
    for (const place of [memory.port, memory.socket]) expect(await missing(place, ...own, ...others)).toEqual(own);

    await set(memory.port, 'shop:wp_:posts:1', 'shop1:wp_:x');
    expect(await flush(`${servers} define('WP_CACHE_KEY_SALT', 'shop:');`, 'Memcached')).toEqual({
      removed: 1,
      problem: null,
    });
    expect(await missing(memory.port, 'shop:wp_:posts:1', 'shop1:wp_:x')).toEqual(['shop:wp_:posts:1']);
    expect((await flush(servers, 'Memcached')).problem).toContain('WP_CACHE_KEY_SALT');
  });

  test('one that does not list its keys', async () => {
    const { problem } = await flush(`$memcached_servers = ['127.0.0.1:${blind.port}'];`, 'Memcached');
    expect(problem).toMatch(/^127\.0\.0\.1:\d+: cannot list its keys: /);
  });
});

describe('a server that keeps Kedge busy', () => {
  const servers: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });
  const serve = async (behave: (socket: Socket) => void): Promise<number> => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({
      stop: async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  /** What it says to each word; for ever the same. */
  const answering =
    (answer: string) =>
    (socket: Socket): void => {
      socket.on('data', () => socket.write(answer));
    };
  const emptyPage = '*2\r\n$1\r\n7\r\n*0\r\n';
  const flushAt = (store: 'redis' | 'memcached', port: number, timeLimitMs: number) =>
    flushObjectCache(
      lab.web,
      site,
      {
        store,
        servers: [{ ...tcp, address: `tcp://127.0.0.1:${port}` }],
        prefixes: ['shop:'],
        tablePrefix: 'wp_',
        multisite: false,
      },
      testOperation(),
      timeLimitMs,
    );

  test.each<['redis' | 'memcached', string, (socket: Socket) => void, RegExp]>([
    ['redis', 'never ends SCAN', answering(emptyPage), /takes too long/],
    ['redis', 'says nothing', () => undefined, /takes too long|does not answer/],
    [
      'redis',
      'sends a byte now and then',
      (socket) => {
        const timer = setInterval(() => socket.write('+'), 20);
        socket.once('close', () => clearInterval(timer));
      },
      /takes too long/,
    ],
    ['redis', 'announces more than there is', answering('$99999999999\r\n'), /more than was asked for/],
    ['redis', 'announces lists in lists', answering('*1\r\n'.repeat(1000)), /more than was asked for/],
    ['redis', 'sends a line without an end', answering('x'.repeat(200_000)), /a line without an end/],
    [
      'memcached',
      'never ends its list',
      (socket) => {
        const on = (): void => {
          while (!socket.destroyed && socket.write('key=other exp=-1\r\n'.repeat(1000)));
        };
        socket.on('drain', on);
        socket.once('data', on);
      },
      /takes too long/,
    ],
    ['memcached', 'is always busy', answering('BUSY\r\n'), /takes too long/],
  ])('a %s that %s is given up in time, by name', async (store, _what, behave, problem) => {
    const port = await serve(behave);
    const flushed = await flushAt(store, port, 1_000);
    expect(flushed.removed).toBe(0);
    expect(flushed.problem).toMatch(problem);
    expect(flushed.problem).toContain(`127.0.0.1:${port}`);
  });

  test('cancellation ends the wait', async () => {
    const stop = new AbortController();
    const port = await serve((socket) => socket.once('data', () => stop.abort(new Error('the test cancelled'))));
    const cache: ObjectCache = {
      store: 'redis',
      servers: [{ ...tcp, address: `tcp://127.0.0.1:${port}` }],
      prefixes: ['shop:'],
      tablePrefix: 'wp_',
      multisite: false,
    };
    const operation = { ...testOperation(), signal: stop.signal };
    await expect(flushObjectCache(lab.web, site, cache, operation)).rejects.toThrow('the test cancelled');
  });
});
