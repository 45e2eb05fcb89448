import { join } from 'node:path';
import fc from 'fast-check';
import type { SiteLocation } from '../../../../src/contract/target';
import { listenValue, quoted } from '../../../../src/core/web/nginx/value';
import { renderVhost } from '../../../../src/core/web/nginx/vhost';
import { stampOf, wasManaged } from '../../../../src/core/web/stamp';
import { testOperation } from '../../../helpers/operation';
import { put, startWebLab, visit, type WebLab } from '../web-lab';
import { siteLocation, webServerAddress } from '../../../helpers/target';

const ADDRESS = webServerAddress({
  test: ['nginx', '-t'],
  reload: ['nginx', '-s', 'reload'],
  listen: [{ address: '127.0.0.1', port: 80 }],
});
const SITE = siteLocation({
  uri: 'a.example',
  aliases: ['www.a.example'],
  root: '/srv/a',
  owner: { user: 'a', uid: 1, gid: 1 },
  phpSocket: '/run/php/a.sock',
  vhost: 'managed',
});
const refused = expect.objectContaining({ code: 'ConfigurationInvalid' });

describe('the text of a vhost', () => {
  test('is the same for the same site, and carries its stamp', () => {
    const text = renderVhost(ADDRESS, SITE);
    expect(renderVhost(ADDRESS, { ...SITE })).toBe(text);
    expect(text).toMatch(/^# managed by Kedge, sha256 [0-9a-f]{64}\n/);
    expect(stampOf(text)).toBe(text.slice('# managed by Kedge, sha256 '.length).split('\n')[0]);
    expect(text).toContain(`return 200 "${stampOf(text)}"`);
    expect(renderVhost(ADDRESS, { ...SITE, aliases: [] })).not.toContain(stampOf(text));
  });

  test('shows every edit of a line', () => {
    const text = renderVhost(ADDRESS, SITE);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(' ', 'x', '\n', '#'), (at, inserted) => {
        const edited = text.slice(0, at) + inserted + text.slice(at);
        expect(stampOf(edited)).toBeNull();
      }),
      { numRuns: 200 },
    );
    expect(stampOf(text.replaceAll('\n', '\r\n'))).toBeNull();
    expect(stampOf(text.slice(0, -1))).toBeNull();
    expect(stampOf('')).toBeNull();
    expect(stampOf('server { }\n')).toBeNull();
    expect([wasManaged(`${text}#`), wasManaged('server { }\n')]).toEqual([true, false]);
  });

  test('names each name once', () => {
    const text = renderVhost(ADDRESS, { ...SITE, aliases: ['b.example', 'a.example', 'b.example'] });
    expect(text).toContain('    server_name a.example b.example;\n');
  });

  test.each([
    ['the URI', { uri: 'a.example; return 200' }],
    ['the URI, in upper case', { uri: 'A.example' }],
    ['an alias', { aliases: ['*.example'] }],
    ['an alias that is a regex', { aliases: ['~^(.*)$'] }],
    ['a variable in the root', { root: '/srv/$host' }],
    ['a quote in the root', { root: '/srv/a"b' }],
    ['a single quote in the root', { root: "/srv/a'b" }],
    ['a backslash in the root', { root: '/srv/a\\b' }],
    ['a new line in the root', { root: '/srv/a\nb' }],
    ['NUL in the root', { root: '/srv/a\0b' }],
    ['a variable in the socket', { phpSocket: '/run/$host.sock' }],
  ])('is refused for %s', (_what, change: Partial<SiteLocation>) => {
    expect(() => renderVhost(ADDRESS, { ...SITE, ...change })).toThrow(refused);
  });

  test.each(['/flags/$host', '/flags/"', '/fl\nags'])('is refused for the flags folder %j', (flags) => {
    expect(() => renderVhost({ ...ADDRESS, flags }, SITE)).toThrow(refused);
  });

  test('sends PHP to a socket, or to a port', () => {
    const passed = (phpSocket: string) => /fastcgi_pass (.*);/.exec(renderVhost(ADDRESS, { ...SITE, phpSocket }))?.[1];
    expect(passed('/run/php/a.sock')).toBe('"unix:/run/php/a.sock"');
    expect(passed('127.0.0.1:9000')).toBe('"127.0.0.1:9000"');
    expect(passed('[::1]:9000')).toBe('"[::1]:9000"');
  });

  test('keeps settings that are no PHP from being sent', () => {
    const names = { database: 'a', user: 'b', password: 'c', host: 'd' };
    const textFor = (file: string) => renderVhost(ADDRESS, { ...SITE, settings: { file, format: 'env', names } });
    expect(textFor('conf/environment')).toContain('location = "/conf/environment" { return 404; }');
    expect(textFor('conf/settings.php')).not.toContain('settings.php');
    expect(() => textFor('conf/$x')).toThrow(refused);
  });
});

describe('values', () => {
  test.each([
    [{ address: '127.0.0.1', port: 80 }, '127.0.0.1:80'],
    [{ address: '::1', port: 80 }, '[::1]:80'],
    [{ address: '[::]', port: 443 }, '[::]:443'],
    [{ address: '*', port: 80 }, '*:80'],
    [{ address: 'web1.example', port: 80 }, 'web1.example:80'],
  ])('listen on %j', (listen, text) => expect(listenValue(listen)).toBe(text));

  test.each(['127.0.0.1 default_server', 'unix:/run/x', '', '$host', '1;', '[127.0.0.1]', 'a b'])(
    'do not listen on %j',
    (address) => expect(() => listenValue({ address, port: 80 })).toThrow(refused),
  );

  test('are quoted as one word or refused', () => {
    expect(quoted('/srv/a b;{}#~ü', 'path')).toBe('"/srv/a b;{}#~ü"');
    expect(() => quoted('', 'path')).toThrow(refused);
  });
});

describe('a loaded vhost', () => {
  let lab: WebLab;
  const NAMES = { database: 'a', user: 'b', password: 'c', host: 'd' };

  beforeAll(async () => {
    lab = await startWebLab();
    const wordpress = await lab.makeSite('wp.example', {
      kind: 'wordpress',
      aliases: ['www.wp.example'],
      root: join(lab.folder, 'sites/a {folder}; of #wörds'),
    });
    const files: Record<string, string> = {
      'wp-config.php': "<?php echo 'secret';",
      'wp-config.php.bak': 'secret',
      'wp-admin/setup-config.php': "<?php echo 'setup';",
      'wp-content/uploads/shell.php': "<?php echo 'ran';",
      'wp-content/uploads/shell.PHP': "<?php echo 'ran';",
      'wp-content/uploads/shell.phtml': "<?php echo 'ran';",
      'wp-content/uploads/2026/picture.jpg': "<?php echo 'ran';",
      '.env': 'secret',
      '.git/config': 'secret',
      '.well-known/security.txt': 'mail',
      'sub/index.php': "<?php echo 'sub ', $_SERVER['SCRIPT_NAME'], ' ', __DIR__;",
      'ask.php':
        "<?php echo $_SERVER['QUERY_STRING'], '|', $_SERVER['REQUEST_URI'], '|', file_get_contents('php://input');",
    };
    for (const [name, content] of Object.entries(files)) await put(join(wordpress.root, name), content);
    await lab.web.writeVhost(wordpress, testOperation());
    const plain = await lab.makeSite('plain.example', {
      settings: { file: 'conf/environment', format: 'env', names: NAMES },
    });
    await put(join(plain.root, 'conf/environment'), 'secret');
    await lab.web.writeVhost(plain, testOperation());
  });
  afterAll(() => lab?.stop());

  test.each([
    ['/', 200, 'Home of wp.example'],
    ['/static.txt', 200, 'static'],
    ['/a/pretty/link/', 200, 'Home of wp.example'],
    ['/sub/', 200, 'sub /sub/index.php'],
    ['/ask.php?a=b&c', 200, 'a=b&c|/ask.php?a=b&c|'],
    ['/wp-admin/setup-config.php', 200, 'setup'],
    ['/wp-content/uploads/2026/picture.jpg', 200, "<?php echo 'ran';"],
    ['/.well-known/security.txt', 200, 'mail'],
    ['/wp-config.php', 404, null],
    ['/wp-config.php.bak', 404, null],
    ['//wp-config.php', 404, null],
    ['/x/../wp-config.php', 404, null],
    ['/WP-CONFIG.php', 404, null],
    ['/wp-content/uploads/shell.php', 404, null],
    ['/wp-content/uploads/shell.PHP', 404, null],
    ['/wp-content/uploads/shell.phtml', 404, null],
    ['/wp-content/uploads/2026/picture.jpg/x.php', 404, null],
    ['/static.txt/x.php', 404, null],
    ['/none.php', 404, null],
    ['/.env', 404, null],
    ['/.git/config', 404, null],
    ['/.well-known/kedge-vhost', 404, null],
  ])('answers %s with %i', async (path, status, text) => {
    const answer = await visit(lab, 'wp.example', path);
    expect(answer.status).toBe(status);
    if (text !== null) expect(answer.body).toContain(text);
    expect(answer.body).not.toMatch(/secret|^ran/);
  });

  test('answers to its alias, and to nobody else', async () => {
    expect((await visit(lab, 'www.wp.example', '/')).status).toBe(200);
    await expect(visit(lab, 'unknown.example', '/')).rejects.toThrow('socket hang up');
  });

  test('hands a posted body to PHP', async () => {
    const answer = await visit(lab, 'wp.example', '/ask.php', { method: 'POST', body: 'posted' });
    expect(answer.body).toBe('|/ask.php|posted');
  });

  test('does not send the settings of a plain PHP site', async () => {
    expect((await visit(lab, 'plain.example', '/conf/environment')).status).toBe(404);
    expect((await visit(lab, 'plain.example', '/conf/./environment')).status).toBe(404);
  });
});
