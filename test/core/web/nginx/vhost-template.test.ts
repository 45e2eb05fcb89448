import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificate } from '../../../../scripts/lab/certificate';
import { freePort } from '../../../../scripts/lab/free-port';
import type { SiteLocation } from '../../../../src/contract/target';
import { DEFAULT_TEMPLATE, TEMPLATE_NAMES } from '../../../../src/core/web/nginx/default-template';
import { createNginx } from '../../../../src/core/web/nginx/nginx';
import { renderVhost } from '../../../../src/core/web/nginx/vhost';
import { stampOf } from '../../../../src/core/web/stamp';
import { readTemplate } from '../../../../src/core/web/nginx/vhost-template';
import type { WebServer } from '../../../../src/core/web/web-server';
import { testOperation } from '../../../helpers/operation';
import { visitHttp2, visitTls } from '../../../helpers/tls-visit';
import { host, put, startWebLab, visit, type WebLab } from '../web-lab';
import { siteLocation, webServerAddress } from '../../../helpers/target';

const ADDRESS = webServerAddress({
  test: ['nginx', '-t'],
  reload: ['nginx', '-s', 'reload'],
  listen: [{ address: '*', port: 80 }],
  listenTls: [{ address: '*', port: 443 }],
});
const SITE = siteLocation({
  uri: 'www.a.example',
  aliases: ['b.example'],
  root: '/srv/a',
  owner: { user: 'a', uid: 1, gid: 1 },
  phpSocket: '/run/php/a.sock',
  vhost: 'managed',
});
const TLS = { certificate: '/etc/ssl/a.pem', key: '/etc/ssl/a.key' };
const refused = (text: string) =>
  expect.objectContaining({ code: 'ConfigurationInvalid', message: expect.stringContaining(text) as unknown });
const withTemplate = (text: string): SiteLocation => ({ ...SITE, vhostTemplate: { path: '/t.mustache', text } });

describe('the text', () => {
  test('is what it always was for a site that asks for nothing new', () => {
    const plain = { ...SITE, uri: 'a.example', aliases: ['www.a.example'] };
    const { listenTls: _unused, ...address } = ADDRESS;
    const listen = [{ address: '127.0.0.1', port: 80 }];
    const stamp = '90eec47bd58cfed35189f57fffa902f30d10e0f857bfc167e111f185157e4cde';
    expect(stampOf(renderVhost({ ...address, listen }, plain))).toBe(stamp);
    // Where TLS could be listened for does not matter as long as the site has no certificate.
    expect(stampOf(renderVhost({ ...ADDRESS, listen }, plain))).toBe(stamp);
  });

  test('has certificate, redirects and an include where the site asks for them', () => {
    const text = renderVhost(ADDRESS, {
      ...SITE,
      tls: TLS,
      redirects: { https: true, names: ['a.example'] },
      vhostInclude: '/etc/nginx/a extra.conf',
    });
    for (const line of [
      'listen *:80;',
      'listen *:443 ssl http2;',
      'ssl_certificate "/etc/ssl/a.pem";',
      'ssl_certificate_key "/etc/ssl/a.key";',
      'server_name www.a.example b.example a.example;',
      'if ($scheme = http) { set $kedge_redirect "https://$host$request_uri"; }',
      'if ($host = a.example) { set $kedge_redirect "https://www.a.example$request_uri"; }',
      'include "/etc/nginx/a extra.conf";',
    ])
      expect(text).toContain(`    ${line}\n`);
  });

  test('names the port in a redirect where it is not the usual one', () => {
    const address = { ...ADDRESS, listen: [{ address: '*', port: 8080 }], listenTls: [{ address: '*', port: 8443 }] };
    const redirects = { https: false, names: ['a.example'] };
    expect(renderVhost(address, { ...SITE, redirects })).toContain('"http://www.a.example:8080$request_uri"');
    const text = renderVhost(address, { ...SITE, tls: TLS, redirects: { ...redirects, https: true } });
    expect(text).toContain('"https://www.a.example:8443$request_uri"');
    expect(text).toContain('"https://$host:8443$request_uri"');
  });

  test.each<[string, Partial<SiteLocation>]>([
    ['a variable in the certificate', { tls: { ...TLS, certificate: '/etc/$host.pem' } }],
    ['a new line in the key', { tls: { ...TLS, key: '/etc/a\n;' } }],
    ['a quote in the include', { vhostInclude: '/etc/a";' }],
    ['a name that is none', { redirects: { https: false, names: ['a.example; return 200'] } }],
  ])('is refused for %s', (_what, change) => {
    expect(() => renderVhost(ADDRESS, { ...SITE, ...change })).toThrow(refused(''));
  });

  test('has another stamp with another template, and with another value', () => {
    const template = `${DEFAULT_TEMPLATE}# more\n`;
    const stamps = [SITE, withTemplate(template), { ...withTemplate(template), aliases: [] }].map((site) =>
      stampOf(renderVhost(ADDRESS, site)),
    );
    expect(new Set(stamps).size).toBe(3);
    expect(stamps).not.toContain(null);
  });
});

describe('a template of the administrator', () => {
  const REQUIRED = '{{> maintenance}}\n';

  test.each([
    [`${REQUIRED}{{serverNmaes}}`, '/t.mustache:2: there is no value serverNmaes'],
    [`\n\n${REQUIRED}{{#toString}}{{/toString}}`, '/t.mustache:4: there is no value toString'],
    [`${REQUIRED}{{#tls}}\n{{{nothing}}}{{/tls}}`, '/t.mustache:3: there is no value nothing'],
    [`${REQUIRED}{{> other}}`, '/t.mustache:2: there is no partial other'],
    [`${REQUIRED}\n{{root`, '/t.mustache:3: unclosed tag'],
    [`${REQUIRED}{{#tls}}`, '/t.mustache:2: unclosed section "tls"'],
    ['server {\n}\n', '/t.mustache:3: the template lacks {{> maintenance}}'],
  ])('%j is refused', (text, says) => {
    expect(() => renderVhost(ADDRESS, withTemplate(text))).toThrow(refused(says));
  });

  test('may use every name', () => {
    const text = `${REQUIRED}${TEMPLATE_NAMES.map((name) => `{{#${name}}}.{{/${name}}}`).join('\n')}`;
    expect(() => renderVhost(ADDRESS, withTemplate(text))).not.toThrow();
  });

  test('is read from a file that nobody else can change', async () => {
    const folder = await startFolder();
    const path = join(folder, 'own.mustache');
    try {
      await put(path, DEFAULT_TEMPLATE);
      expect(await readTemplate(host, path)).toBe(DEFAULT_TEMPLATE);
      await chmod(path, 0o666);
      await expect(readTemplate(host, path)).rejects.toMatchObject({ code: 'OwnerRefused' });
      await chmod(path, 0o644);
      await writeFile(path, '{{nothing}}');
      await expect(readTemplate(host, path)).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

async function startFolder(): Promise<string> {
  const folder = `/var/tmp/kw-template-${process.pid}`;
  await put(join(folder, 'x'), '');
  return folder;
}

describe('a loaded vhost', () => {
  let lab: WebLab;
  let web: WebServer;
  let site: SiteLocation;
  let port: number;
  const URI = 'www.shop.example';
  const write = (change: Partial<SiteLocation> = {}) => web.writeVhost({ ...site, ...change }, testOperation());

  beforeAll(async () => {
    lab = await startWebLab();
    port = await freePort();
    const address = { ...lab.nginx.address, listenTls: [{ address: '127.0.0.1', port }] };
    web = createNginx({ address, host, loadLimitMs: 5000 });
    const extra = join(lab.folder, 'extra.conf');
    await put(extra, 'location = /extra { return 200 extra; }\n');
    site = await lab.makeSite(URI, {
      aliases: ['shop.net.example'],
      tls: await makeCertificate(lab.folder, [URI]),
      redirects: { https: true, names: ['shop.example'] },
      vhostInclude: extra,
    });
    await put(join(site.root, '.well-known/acme-challenge/abc'), 'proof');
    await put(join(site.root, 'tls.php'), "<?php echo $_SERVER['HTTPS'] ?? 'off';");
    await write();
  });
  afterAll(() => lab?.stop());
  afterEach(() => web.lowerMaintenance(URI));

  test('is asked by TLS first, and at every address', async () => {
    const answer = await web.request(site, '/', testOperation());
    expect(answer.mark).toEqual({ status: 200, title: `Home of ${URI}` });
    const everywhere = await web.requestEverywhere(site, '/', testOperation());
    expect(everywhere.map(({ listen, answer: { status } }) => [listen.port, listen.tls ?? false, status])).toEqual([
      [port, true, 200],
      [lab.nginx.port, false, 301],
    ]);
  });

  test('is proven at every address, by the file that is on disk', async () => {
    await web.proveMaintenance(site, testOperation());
    const path = join(lab.nginx.address.vhosts, `${URI}.conf`);
    const text = await readFile(path, 'utf8');
    const { vhostInclude: _unused, ...other } = site;
    await writeFile(path, web.renderVhost(other).vhost ?? '');
    await expect(web.proveMaintenance(site, testOperation())).rejects.toMatchObject({
      code: 'VhostUnfit',
      message: expect.stringContaining(`at 127.0.0.1:${port}`) as unknown,
    });
    await writeFile(path, text);
  });

  test('is served by HTTP/2 and HTTP/1.1, and PHP knows that it is by TLS', async () => {
    expect(await visitHttp2(port, URI, '/tls.php')).toMatchObject({ status: 200, body: 'on' });
    expect(await visitTls(port, URI, '/tls.php')).toMatchObject({ status: 200, body: 'on' });
    expect(await visitTls(port, URI, '/extra')).toMatchObject({ status: 200, body: 'extra' });
  });

  test.each([
    ['http to https', () => visit(lab, URI, '/a?b=c'), `https://${URI}:PORT/a?b=c`],
    ['http to https, by an alias', () => visit(lab, 'shop.net.example', '/'), 'https://shop.net.example:PORT/'],
    ['the bare name to www', () => visitTls(port, 'shop.example', '/a?b'), `https://${URI}:PORT/a?b`],
    ['the bare name to www and https at once', () => visit(lab, 'shop.example', '/x'), `https://${URI}:PORT/x`],
  ])('redirects %s', async (_what, ask, location) => {
    const answer = await ask();
    expect([answer.status, answer.headers['location']]).toEqual([301, location.replace('PORT', String(port))]);
  });

  test('shows the maintenance page on every port and by every name, and certificate challenges through it', async () => {
    await web.raiseMaintenance(URI);
    const answers = [
      await visit(lab, URI, '/'),
      await visit(lab, 'shop.example', '/static.txt'),
      await visitTls(port, URI, '/extra'),
      await visitHttp2(port, 'shop.example', '/'),
    ];
    expect(answers.map(({ status, headers }) => [status, headers['retry-after']])).toEqual(
      answers.map(() => [503, '120']),
    );
    for (const [uri, at] of [
      [URI, lab.nginx.port],
      ['shop.example', lab.nginx.port],
    ] as const)
      expect([at, (await visit(lab, uri, '/.well-known/acme-challenge/abc')).body]).toEqual([at, 'proof']);
    expect((await visitTls(port, URI, '/.well-known/acme-challenge/abc')).body).toBe('proof');
    expect((await web.probe(site, '/', testOperation())).status).toBe(200);
  });

  test('goes on by its old template while a new one has a mistake, and takes the next', async () => {
    const before = await web.lookBeforeWriting(site, testOperation());
    const { ran: _ran, ...files } = before;
    const text = DEFAULT_TEMPLATE.replace('client_max_body_size 128m', 'client_max_body_size "a lot"');
    const path = '/own.mustache';
    await expect(write({ vhostTemplate: { path, text } })).rejects.toMatchObject({
      code: 'VhostTestFailed',
      message: expect.stringContaining('client_max_body_size') as unknown,
    });
    expect(await web.readVhost(site)).toEqual(files);
    expect((await visitTls(port, URI, '/')).status).toBe(200);
    const better = DEFAULT_TEMPLATE.replace('server {', 'server {\n    add_header X-Template own always;');
    expect((await write({ vhostTemplate: { path, text: better } })).changed).toBe(true);
    expect((await visitTls(port, URI, '/static.txt')).headers['x-template']).toBe('own');
    expect((await write({ vhostTemplate: { path, text: better } })).changed).toBe(false);
    await web.putVhostBack(site, before, testOperation());
    expect((await visitTls(port, URI, '/static.txt')).headers['x-template']).toBeUndefined();
  });

  test('goes on without TLS where its certificate is missing, and is put back', async () => {
    const before = await web.readVhost(site);
    const tls = { certificate: join(lab.folder, 'none.pem'), key: join(lab.folder, 'none.key') };
    await expect(write({ tls })).rejects.toMatchObject({ code: 'VhostTestFailed' });
    expect(await web.readVhost(site)).toEqual(before);
  });

  test('loses and gets its certificate, and is put back across that', async () => {
    const { ran, ...before } = await web.lookBeforeWriting(site, testOperation());
    const { tls: _tls, redirects: _redirects, ...plain } = site;
    expect((await web.writeVhost(plain, testOperation())).before).toEqual(before);
    expect((await visit(lab, URI, '/')).status).toBe(200);
    await expect(visitTls(port, URI, '/')).rejects.toThrow('ECONNREFUSED');
    await web.putVhostBack(plain, { ...before, ran }, testOperation());
    expect((await visitTls(port, URI, '/')).status).toBe(200);
  });

  test('is never overwritten when it was edited, whatever the template', async () => {
    const path = join(lab.nginx.address.vhosts, `${URI}.conf`);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('128m', '1g'));
    const { mtimeMs } = await stat(path);
    await expect(write({ vhostTemplate: { path: '/t', text: DEFAULT_TEMPLATE } })).rejects.toMatchObject({
      code: 'VhostEdited',
    });
    expect((await stat(path)).mtimeMs).toBe(mtimeMs);
    await writeFile(path, text);
  });
});
