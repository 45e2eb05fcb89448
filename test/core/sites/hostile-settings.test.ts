import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { evaluatePhp } from '../../../src/core/sites/settings-formats/php-evaluation';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type Fixture, withSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

const LOGIN = { database: 'db', user: 'user', password: 'new', address: 'localhost' };
const GOOD = `define('DB_NAME', 'db'); define('DB_USER', 'user'); define('DB_PASSWORD', 'p'); define('DB_HOST', 'localhost'); $table_prefix = 'wp_';`;

/** Settings that are no settings, with what is said of them. Where PHP runs out of memory or time, its limits tell. */
const HOSTILE: Record<string, { source: string | Buffer; message: RegExp }> = {
  'no PHP at all': { source: 'DB_NAME=db', message: /do not set \$table_prefix/ },
  'a syntax error, whose line may be a password': {
    source: `<?php\n${GOOD}\ndefine('DB_PASSWORD' 'canary-password);`,
    message: /fail with ParseError in line 3/,
  },
  exit: { source: `<?php ${GOOD} exit(0);`, message: /they call exit or die/ },
  'die with a message': { source: `<?php die('canary-password');`, message: /they call exit or die/ },
  'exit with a code': { source: `<?php ${GOOD} exit(3);`, message: /without a result|exit or die/ },
  'an exception': { source: `<?php throw new Exception('canary-password');`, message: /fail with Exception in line 1/ },
  'a fatal error': { source: `<?php\n\nno_such_function('canary-password');`, message: /no_such_function/ },
  'memory without end': {
    source: `<?php $x = 'x'; while (true) $x .= $x;`,
    message: /fail with fatal error in line 1/,
  },
  'recursion without end': {
    source: `<?php function f() { return f() . 'x'; } f();`,
    message: /fail|without a result/,
  },
  'output without end': {
    source: `<?php while (true) echo str_repeat('canary-password', 1000);`,
    message: /wrote more than 262144 bytes/,
  },
  'a result without end': {
    source: `<?php $r = fopen('php://fd/4', 'w'); while (true) fwrite($r, str_repeat('x', 65536));`,
    message: /wrote more than 262144 bytes/,
  },
  'a result of its own that is no result': {
    source: `<?php file_put_contents('php://fd/4', '{"state":"through","values":[["text","zz"]]}'); posix_kill(getmypid(), 9);`,
    message: /without a result|fail with/,
  },
  'two results': {
    source: `<?php ${GOOD} file_put_contents('php://fd/4', '{"state":"through","values":[]}');`,
    message: /without a result/,
  },
  'a result that names other files': {
    source: `<?php file_put_contents('php://fd/4', json_encode(['state' => 'failed', 'error' => "\\e[2J", 'line' => 1, 'file' => "/x\\n", 'detail' => null])); posix_kill(getmypid(), 9);`,
    message: /fail with \?\[2J in line 1|without a result|undefined function posix_kill/,
  },
  'more than the size limit': {
    source: Buffer.concat([Buffer.from(`<?php ${GOOD} //`), Buffer.alloc(300_000, 0x78)]),
    message: /larger than 262144 bytes/,
  },
  'a value that is no text': {
    source: `<?php ${GOOD.replace("'user'", "['canary-password']")}`,
    message: /set DB_USER to no text \(array\)/,
  },
  'processes without end': {
    source: `<?php $f = function_exists('pcntl_fork') ? 'pcntl_fork' : function () { return proc_open(['sh', '-c', 'sleep 600 & sleep 600'], [], $p); }; for ($i = 0; $i < 200; $i++) $GLOBALS['all'][] = $f(); exit;`,
    message: /exit or die|without a result|fail with/,
  },
};

describe('settings of a hostile site', () => {
  const kind = siteKindOf({ kind: 'wordpress' });

  /** Everything of the folder that could have changed. */
  const state = (site: Fixture): string =>
    execFileSync(
      'sh',
      [
        '-c',
        'cd "$1"; find . -printf "%p %y %m %U %T@ %s %l\\n" | sort; cat *.php | sha256sum',
        'sh',
        site.base + '/site',
      ],
      {
        encoding: 'utf8',
      },
    );
  const refusal = async (work: Promise<unknown>): Promise<Error> => {
    const error: unknown = await work.then(
      () => new Error('it was accepted'),
      (caught: unknown) => caught,
    );
    if (!(error instanceof Error)) throw new Error('no error');
    return error;
  };

  test.concurrent.each(Object.entries(HOSTILE))('%s: a clear error, and nothing changed', (_, { source, message }) =>
    withSite({}, async (site) => {
      await site.write('wp-config.php', source);
      const before = state(site);
      for (const work of [
        kind.readSettings(site.folder, testOperation()),
        kind.writeSettings(site.folder, LOGIN, testOperation()),
      ]) {
        const error = await refusal(work);
        expect(error).toMatchObject({ code: 'SettingsInvalid', site: 'shop.example', server: 'here' });
        expect(error.message).toContain('wp-config.php of shop.example');
        expect(`${error.message}${JSON.stringify(error)}${String(error.cause)}`).not.toContain('canary-password');
        expect(error.message).not.toMatch(/[\0-\x1f]/);
      }
      expect((await refusal(kind.readSettings(site.folder, testOperation()))).message).toMatch(message);
      expect(state(site)).toBe(before);
    }),
  );

  test.concurrent('a prefix WordPress does not take is not taken', () =>
    withSite({}, async (site) => {
      await site.write('wp-config.php', `<?php ${GOOD.replace('wp_', 'wp`; DROP')}`);
      const error = await refusal(kind.readSettings(site.folder, testOperation()));
      expect(error).toMatchObject({ code: 'SettingsInvalid', message: expect.stringContaining('$table_prefix') });
    }),
  );

  test.concurrent('a loop without end is ended in time', () =>
    withSite({}, async (site) => {
      await site.write('wp-config.php', '<?php while (true);');
      const file = { folder: site.folder, path: 'wp-config.php' };
      await expect(evaluatePhp(file, ['DB_NAME'], { timeoutMs: 700 }, testOperation())).rejects.toMatchObject({
        code: 'SettingsInvalid',
        message: expect.stringContaining('did not end within 0.7 s'),
      });
    }),
  );

  test.concurrent('what it fills is small', () =>
    withSite({}, async (site) => {
      await site.write(
        'wp-config.php',
        `<?php
        $written = 0;
        foreach (['/tmp', '/dev/shm', '/dev', '/', '/etc', '/proc', __DIR__] as $folder)
          for ($i = 0; $i < 300 && @file_put_contents("$folder/$i", str_repeat('x', 1000000)) === 1000000; $i++) $written++;
        ${GOOD.replace("'db'", `$written > 8 && $written < 33 ? 'small' : "much$written"`)}`,
      );
      expect(await kind.readSettings(site.folder, testOperation())).toMatchObject({ database: 'small' });
    }),
  );

  test.concurrent('memory that it takes is the fault of the settings, as processes are', () =>
    withSite({}, async (site) => {
      const file = { folder: site.folder, path: 'wp-config.php' };
      const read = () => evaluatePhp(file, ['DB_NAME'], { timeoutMs: 20_000 }, testOperation());
      await site.write('wp-config.php', `<?php ini_set('memory_limit', -1); $x = str_repeat('x', 2000000000);`);
      await expect(read()).rejects.toMatchObject({ code: 'SettingsInvalid' });
      await site.write('wp-config.php', `<?php exec('for i in $(seq 100); do sleep 20 & done 2>/dev/null; exit 1');`);
      await expect(read()).rejects.toMatchObject({ code: 'SettingsInvalid' });
    }),
  );

  test.concurrent('PHP that somebody kills is no fault of the settings', () =>
    withSite({}, async (site) => {
      const file = { folder: site.folder, path: 'wp-config.php' };
      await site.write('wp-config.php', `<?php exec('kill -9 ' . getmypid()); sleep(20);`);
      await expect(evaluatePhp(file, ['DB_NAME'], { timeoutMs: 20_000 }, testOperation())).rejects.toMatchObject({
        code: 'ProgramKilled',
      });
    }),
  );

  test.concurrent('what it writes, asks and looks for is not there', () =>
    withSite({}, async (site) => {
      const requests: unknown[] = [];
      const server = createServer((socket) => {
        requests.push(socket);
        socket.destroy();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        await site.write('uploads/kept', 'kept');
        await site.write(
          'wp-config.php',
          `<?php
        $found = [];
        if (@file_put_contents(__DIR__ . '/uploads/kept', 'spoiled')) $found[] = 'wrote';
        if (@file_put_contents(__DIR__ . '/new.php', 'x')) $found[] = 'made';
        if (@unlink(__DIR__ . '/uploads/kept')) $found[] = 'removed';
        if (@chmod(__FILE__, 0777)) $found[] = 'mode';
        if (@fsockopen('127.0.0.1', ${port}, $n, $e, 1)) $found[] = 'network';
        if (@stream_socket_client('unix:///run/mysqld/mysqld.sock')) $found[] = 'socket';
        foreach (['/etc/shadow', '/root', '/var', ${JSON.stringify(join(site.base, 'outside'))}, '/etc/php/secret'] as $p) if (@file_exists($p) && $p !== '/var') $found[] = $p;
        if (@symlink('/etc/shadow', '/tmp/s') && @file_get_contents('/tmp/s')) $found[] = 'shadow';
        if (getenv('KEDGE_MARK')) $found[] = 'mark';
        if (function_exists('posix_getuid') && posix_getuid() !== fileowner(__FILE__)) $found[] = 'uid';
        define('DB_NAME', 'db' . implode(',', $found)); define('DB_USER', 'user'); define('DB_PASSWORD', 'p');
        define('DB_HOST', 'localhost'); $table_prefix = 'wp_';`,
        );
        execFileSync('sh', ['-c', 'echo x > "$1/outside"', 'sh', site.base]);
        const before = state(site);
        expect(await kind.readSettings(site.folder, testOperation())).toMatchObject({ database: 'db' });
        expect(state(site)).toBe(before);
        expect(requests).toEqual([]);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }),
  );

  test.concurrent('a link, a folder, a pipe or nothing in the place of the settings', () =>
    withSite({}, async (site) => {
      const lay: [string, RegExp][] = [
        ['ln -s /etc/shadow wp-config.php', /symbolic link/],
        ['echo "<?php" > other.php; ln -s other.php wp-config.php', /symbolic link/],
        ['mkdir wp-config.php', /no regular file/],
        ['mkfifo wp-config.php', /no regular file/],
        ['true', /are missing/],
      ];
      for (const [script, message] of lay) {
        execFileSync('sh', ['-c', `cd "$1"; rm -rf wp-config.php; ${script}`, 'sh', site.folder.path]);
        for (const work of [
          () => kind.readSettings(site.folder, testOperation()),
          () => kind.writeSettings(site.folder, LOGIN, testOperation()),
        ]) {
          const error = await refusal(work());
          expect(error).toMatchObject({ code: 'SettingsInvalid' });
          expect(error.message).toMatch(message);
        }
        expect(readdirSync(site.folder.path).filter((name) => name.startsWith('.kedge'))).toEqual([]);
      }
    }),
  );
});
