import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeCertificate } from '../../../../scripts/lab/certificate';
import { freePort } from '../../../../scripts/lab/free-port';
import type { SiteLocation } from '../../../../src/contract/target';
import { environmentOfSite } from '../../../../src/core/php/environment-of-site';
import { createNginx } from '../../../../src/core/web/nginx/nginx';
import { waitUntilLoaded } from '../../../../src/core/web/wait-until-loaded';
import { testOperation } from '../../../helpers/operation';
import { visitHttp2, visitTls } from '../../../helpers/tls-visit';
import { OWNER, host, put, startWebLab, type WebLab, visit } from '../web-lab';

let lab: WebLab;
let site: SiteLocation;
let port: number;
let tls: string;
let number = 0;

beforeAll(async () => {
  lab = await startWebLab([{ name: 'site', owner: OWNER, settings: { 'env[SHOP_PASSWORD]': 'canary' } }]);
  port = await freePort();
  const { certificate, key } = await makeCertificate(lab.folder, ['own.example']);
  tls = `listen 127.0.0.1:${port} ssl http2; ssl_certificate "${certificate}"; ssl_certificate_key "${key}";`;
});
afterAll(() => lab?.stop());
beforeEach(async () => {
  site = await lab.makeSite(`own${number++}.example`, { vhost: 'include' });
});
afterEach(async () => {
  await lab.web.lowerMaintenance(site.uri);
  for (const name of await readdir(lab.nginx.address.vhosts)) await rm(join(lab.nginx.address.vhosts, name));
});

const inVhosts = (name: string) => join(lab.nginx.address.vhosts, name);
const snippet = () => inVhosts(`${site.uri}.include`);
const managed = () => inVhosts(`${site.uri}.conf`);
const line = () => `include ${snippet()};`;
const write = (change: Partial<SiteLocation> = {}, operation = testOperation()) =>
  lab.web.writeVhost({ ...site, ...change }, operation);
const prove = () => lab.web.proveMaintenance(site, testOperation());
const reloads = async () => (await readFile(lab.nginx.errorLog, 'utf8')).split('reconfiguring').length;
const exists = async (path: string) => (await readdir(lab.nginx.address.vhosts)).includes(path.split('/').at(-1) ?? '');

/** An administrator's own vhost: two server blocks, one with TLS. `above` and `below` are where the line is. */
async function ownVhost(parts: { plain?: string; secure?: string; http?: string } = {}): Promise<void> {
  const { plain = line(), secure = line(), http = '' } = parts;
  const block = (listen: string, inner: string): string => `server {
    ${listen}
    server_name ${site.uri};
    root "${site.root}";
    index index.php;
${inner}
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ {
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass "unix:${site.phpSocket}";
    }
}
`;
  const text = block(`listen 127.0.0.1:${lab.nginx.port};`, plain) + block(tls, secure);
  await writeFile(inVhosts('admin.conf'), `${http}\n${text}`);
}

/** Processes of nginx that answer. */
async function workersOf({ configurationFile }: WebLab['nginx']): Promise<number[]> {
  const main = Number(await readFile(join(configurationFile, '..', 'nginx.pid'), 'utf8'));
  const children = await readFile(`/proc/${main}/task/${main}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

/** The snippet is there, and so is the vhost that includes it, loaded by its administrator. */
async function adopt(parts: Parameters<typeof ownVhost>[0] = {}): Promise<void> {
  await put(snippet(), lab.web.renderVhost(site).snippet ?? '');
  await ownVhost(parts);
  const round = `round${number}`;
  const listen = `listen 127.0.0.1:${lab.nginx.port};`;
  await writeFile(inVhosts('round.conf'), `server { ${listen} server_name round.example; return 200 ${round}; }\n`);
  const [program = '', ...options] = lab.nginx.address.reload;
  const before = await workersOf(lab.nginx);
  await promisify(execFile)(program, options);
  const isLoaded = (): Promise<boolean> =>
    visit(lab, 'round.example', '/').then(
      ({ body }) => body === round,
      () => false,
    );
  // The old worker of nginx answers for a moment beside the new one, with what it has cached.
  const isAlone = async (): Promise<boolean> => {
    const now = await workersOf(lab.nginx);
    return !before.some((pid) => now.includes(pid)) && (await isLoaded());
  };
  expect(await waitUntilLoaded(isAlone, 10_000, new AbortController().signal)).toBe(true);
  // Nothing is left to wait for.
  await createNginx({ address: lab.nginx.address, host, loadLimitMs: 300 }).writeVhost(site, testOperation());
}

const unfit = (...texts: string[]) => ({
  code: 'VhostUnfit',
  site: site.uri,
  hint: expect.stringContaining(`\`${line()}\``) as unknown,
  message: expect.stringMatching(new RegExp(texts.join('.*'), 's')) as unknown,
});

test('what PHP is given beside the request is told by name, of its pool and of its server blocks', async () => {
  const found = (): Promise<readonly string[]> => environmentOfSite(lab.web, site, testOperation());
  await put(snippet(), lab.web.renderVhost(site).snippet ?? '');
  await ownVhost({
    secure: `${line()} fastcgi_param SHOP_USER shop;`,
    plain: `${line()} location = /shop { fastcgi_param SHOP_DATABASE shop; }`,
  });
  expect([...(await found())].sort()).toEqual(['SHOP_DATABASE', 'SHOP_PASSWORD', 'SHOP_USER']);
  expect(await environmentOfSite(lab.web, { ...site, phpSocket: '/none' }, testOperation())).not.toContain(
    'SHOP_PASSWORD',
  );
  await writeFile(inVhosts('admin.conf'), 'nonsense');
  expect(await found()).toEqual(['SHOP_PASSWORD']);
});

describe('what is served', () => {
  const roots = async (text: string): Promise<string[]> => {
    await writeFile(inVhosts('admin.conf'), text);
    return (await lab.web.documentRoots(site, testOperation())).map(({ path, place }) => {
      expect(place).toContain(`${inVhosts('admin.conf')}:`);
      return path;
    });
  };
  const block = (inner: string): string =>
    `server { listen 127.0.0.1:${lab.nginx.port}; server_name ${site.uri}; ${inner} }\n`;

  test('are the folders of its server blocks, and of their locations', async () => {
    expect(await roots(block('root /srv/a;') + block('location / { root "/srv/b c"; }'))).toEqual([
      '/srv/a',
      '/srv/b c',
    ]);
    expect(await roots(block('location / { root /srv/b; } root /srv/a;'))).toEqual(['/srv/a', '/srv/b']);
  });

  test('is nothing where a block redirects, passes on, or computes the folder; nor with a managed vhost', async () => {
    expect(
      await roots(
        block('root /srv/a; return 301 https://a.example;') +
          block('root /srv/a; location / { proxy_pass http://127.0.0.1:1; }') +
          block('root /srv/$host;'),
      ),
    ).toEqual([]);
    expect(await lab.web.documentRoots({ ...site, vhost: 'managed' }, testOperation())).toEqual([]);
  });

  test('is asked for by the application behind passwords, whichever of the folders it is in', async () => {
    await put(
      join(site.root, 'index.php'),
      '<?php echo "<title>$_SERVER[REQUEST_URI] of $_SERVER[HTTP_HOST]</title>";',
    );
    await roots(block(`root /usr/share; location / { root "${site.root}"; return 401; }`));
    const { mark } = await lab.web.askApplication(site, 'https://www.example/a?b=c', testOperation());
    expect(mark).toEqual({ status: 200, title: '/a?b=c of www.example' });
    await put(join(site.root, 'health.php'), '<?php header("Location: /x", true, 302);');
    expect(await lab.web.askApplication(site, '/health.php', testOperation())).toMatchObject({
      status: 302,
      location: '/x',
    });
    await put(
      join(site.root, 'health.php'),
      '<?php header("WWW-Authenticate: Digest realm=x"); http_response_code(401);',
    );
    expect(await lab.web.askApplication(site, '/health.php', testOperation())).toMatchObject({
      status: 401,
      challenge: 'Digest realm=x',
    });
  });
});

describe('adopting', () => {
  test('writes the snippet, says which line is missing, and proves both ports once it is there', async () => {
    await ownVhost({ plain: '', secure: '' });
    const at = inVhosts('admin.conf');
    await expect(write()).rejects.toMatchObject(
      unfit(`the server block in ${at}:2 does not include the snippet`, `${at}:15 does not include`),
    );
    expect(await lab.web.readVhost(site)).toEqual({ vhost: null, snippet: lab.web.renderVhost(site).snippet });
    await lab.web.test(testOperation());
    await ownVhost({ secure: '' });
    await expect(write()).rejects.toMatchObject(unfit(`${at}:15 does not include the snippet`));
    await ownVhost();
    expect((await write()).changed).toBe(true);
    await prove();
    const before = await reloads();
    expect((await write()).changed).toBe(false);
    expect(await reloads()).toBe(before);
    expect(await lab.web.addressesOf(site, testOperation())).toEqual([
      { address: '127.0.0.1', port, tls: true },
      { address: '127.0.0.1', port: lab.nginx.port },
    ]);
  });

  test('what is in its way already is seen without writing anything', async () => {
    const look = (change: Partial<SiteLocation> = {}) =>
      lab.web.assertWritable({ ...site, ...change }, testOperation());
    await expect(look()).rejects.toMatchObject(unfit(`no server block of lab names ${site.uri}`));
    await look({ vhost: 'managed' });
    await look({ vhost: 'none' });
    await ownVhost({ plain: '', secure: '' });
    await look();
    expect(await lab.web.readVhost(site)).toEqual({ vhost: null, snippet: null });
    await writeFile(snippet(), `${lab.web.renderVhost(site).snippet}# mine\n`);
    await expect(look()).rejects.toMatchObject({ code: 'VhostEdited' });
    await rm(snippet());
    await writeFile(managed(), '# mine\n');
    await expect(look({ vhost: 'managed' })).rejects.toMatchObject({ code: 'VhostEdited' });
    await writeFile(managed(), 'this is no directive;\n');
    await expect(look()).rejects.toMatchObject({ code: 'VhostTestFailed' });
  });

  test('is refused where no server block names the site', async () => {
    await expect(write()).rejects.toMatchObject(unfit(`no server block of lab names ${site.uri}`));
    await expect(prove()).rejects.toMatchObject(unfit(`no server block of lab names ${site.uri}`));
    await expect(lab.web.request(site, '/', testOperation())).rejects.toMatchObject({ code: 'ProbeFailed' });
    await expect(lab.web.requestEverywhere(site, '/', testOperation())).rejects.toMatchObject({ code: 'ProbeFailed' });
  });

  test('does not disturb visitors', async () => {
    await adopt();
    const answers: (number | string)[] = [];
    let stopped = false;
    const stream = (async () => {
      while (!stopped) {
        answers.push(await visit(lab, site.uri, '/static.txt').then(({ status }) => status, String));
        answers.push(await visitTls(port, site.uri, '/static.txt').then(({ status }) => status, String));
      }
    })();
    for (let round = 0; round < 5; round += 1) await prove();
    stopped = true;
    await stream;
    expect(answers.length).toBeGreaterThan(10);
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  test('works while the site is in maintenance, and while it is broken', async () => {
    await adopt();
    await put(join(site.root, 'index.php'), '<?php http_response_code(500);');
    await prove();
    await lab.web.raiseMaintenance(site.uri);
    await prove();
    expect((await visit(lab, site.uri, '/')).status).toBe(503);
  });
});

describe('a server block is refused', () => {
  test('where an earlier return would win', async () => {
    const redirect = `return 301 https://${site.uri}:${port}$request_uri;`;
    await expect(adopt({ plain: `    ${redirect}\n${line()}` })).rejects.toMatchObject(
      unfit(`return in ${inVhosts('admin.conf')}:7 stands before the snippet`),
    );
    await adopt({ plain: `${line()}\n${redirect}` });
    expect((await visit(lab, site.uri, '/')).status).toBe(301);
    await lab.web.raiseMaintenance(site.uri);
    expect((await visit(lab, site.uri, '/')).status).toBe(503);
  });

  test('where an earlier if answers', async () => {
    await expect(adopt({ secure: `if ($uri = /) { return 403; }\n${line()}` })).rejects.toMatchObject(
      unfit(`${site.uri} at 127.0.0.1:${port} answers 403 instead of the maintenance page: if in`),
    );
  });

  test('where an earlier rewrite leads away', async () => {
    await expect(adopt({ plain: `rewrite ^ /static.txt last;\n${line()}` })).rejects.toMatchObject(
      unfit('does not run the snippet: rewrite in .*admin.conf:7'),
    );
  });

  test.each([
    ['in http', 'open_file_cache max=100; open_file_cache_valid 60s;', ''],
    ['in http, with errors', 'open_file_cache max=100; open_file_cache_errors on;', ''],
    ['in the block', '', 'open_file_cache max=100;'],
  ])('where open_file_cache hides the flag: %s', async (_where, http, block) => {
    await expect(adopt({ http, plain: `${block}\n${line()}` })).rejects.toMatchObject(
      unfit('maintenance page', 'open_file_cache in .*admin.conf:[0-9]+ hides the flag: set `open_file_cache off;`'),
    );
    const off = `open_file_cache off;\n${line()}`;
    await adopt({ http, plain: off, secure: off });
    await prove();
  });

  test('where a second one of the name does not include the line, be it the one that loses', async () => {
    const listen = `listen 127.0.0.1:${lab.nginx.port};`;
    await put(inVhosts('zz-second.conf'), `server { ${listen} server_name ${site.uri}; return 200 second; }\n`);
    const operation = testOperation();
    await put(snippet(), lab.web.renderVhost(site).snippet ?? '');
    await ownVhost();
    await expect(write({}, operation)).rejects.toMatchObject(unfit('zz-second.conf:1 does not include the snippet'));
    await put(inVhosts('zz-second.conf'), `server { ${listen} server_name ${site.uri}; ${line()} return 200 x; }\n`);
    await write({}, operation);
    expect(operation.warnings).toEqual([expect.stringContaining(`conflicting server name "${site.uri}"`)]);
  });

  test('for an alias as well', async () => {
    await put(
      inVhosts('alias.conf'),
      `server { listen 127.0.0.1:${lab.nginx.port}; server_name x.example; return 404; }`,
    );
    await adopt();
    site = { ...site, aliases: ['x.example'] };
    await expect(prove()).rejects.toMatchObject(unfit('alias.conf:1 does not include the snippet'));
  });
});

describe('what a visitor sees', () => {
  const everywhere = async (path: string) => [
    await visit(lab, site.uri, path),
    await visitTls(port, site.uri, path),
    await visitHttp2(port, site.uri, path),
  ];

  test.each([
    ['error_page 503 of its own', 'error_page 503 /static.txt; recursive_error_pages on;'],
    ['a password', 'auth_basic x; auth_basic_user_file /nonexistent;'],
    ['a closed door', 'deny all;'],
    ['a header of its own', 'add_header Retry-After 1 always;'],
  ])('is the maintenance page, whatever the block has: %s', async (_what, inner) => {
    await adopt({ plain: `${inner}\n${line()}`, secure: `${line()}\n${inner}` });
    await lab.web.raiseMaintenance(site.uri);
    for (const path of ['/', '/static.txt', '/none', '/.well-known/kedge-vhost', '/.well-known/kedge-maintenance']) {
      for (const answer of await everywhere(path)) {
        expect([path, answer.status, answer.headers['retry-after']]).toEqual([path, 503, '120']);
        expect(answer.body).toContain('<title>Maintenance</title>');
      }
    }
    expect((await visit(lab, site.uri, '/index.php', { method: 'POST', body: 'x'.repeat(3_000_000) })).status).toBe(
      503,
    );
  });

  test('is the site as it was, with what the block inherits, while there is no maintenance', async () => {
    await put(join(site.root, 'own503.php'), "<?php http_response_code(503); header('Retry-After: 7'); echo 'mine';");
    await put(join(site.root, 'gone.txt'), 'gone');
    await adopt({ http: 'error_page 404 =200 /gone.txt;' });
    for (const [path, status, body] of [
      ['/', 200, `Home of ${site.uri}`],
      ['/own503.php', 503, 'mine'],
      ['/none.php', 404, 'File not found'],
      ['/.well-known/kedge-maintenance', 200, 'gone'],
    ] as const)
      for (const answer of await everywhere(path)) {
        expect([path, answer.status]).toEqual([path, status]);
        expect(answer.body).toContain(body);
      }
  });

  test('are certificate challenges, in maintenance too', async () => {
    await put(join(site.root, '.well-known/acme-challenge/abc_DEF-1'), 'proof');
    await put(join(site.root, '.well-known/acme-challenge/evil.php'), '<?php echo "ran";');
    await adopt();
    await lab.web.raiseMaintenance(site.uri);
    for (const answer of await everywhere('/.well-known/acme-challenge/abc_DEF-1')) expect(answer.body).toBe('proof');
    for (const answer of await everywhere('/.well-known/acme-challenge/evil.php')) expect(answer.status).toBe(503);
  });

  test('is nothing of the probe: its token passes once, and is no path', async () => {
    await adopt();
    await lab.web.raiseMaintenance(site.uri);
    const probes = join(lab.nginx.address.flags, `${site.uri}.probe`);
    expect((await lab.web.probe(site, '/', testOperation())).mark.title).toBe(`Home of ${site.uri}`);
    expect(await readdir(probes)).toEqual([]);
    const hex = 'a'.repeat(32);
    await mkdir(join(probes, 'x'));
    const tokens = [hex, '', 'none', '../../nginx.conf', 'x/../'.repeat(6), `${hex}.maintenance`, `${hex}a`];
    await writeFile(join(probes, `${hex}a`), '');
    for (const token of tokens)
      expect([token, (await visit(lab, site.uri, '/', { headers: { 'X-Kedge-Probe': token } })).status]).toEqual([
        token,
        503,
      ]);
    await lab.web.lowerMaintenance(site.uri);
    // A file with the drill's ending shows the page to nobody without the token.
    await writeFile(join(probes, `${hex}.maintenance`), '');
    expect((await visit(lab, site.uri, '/')).status).toBe(200);
    expect((await visit(lab, site.uri, '/', { headers: { 'X-Kedge-Probe': hex } })).status).toBe(503);
    await rm(probes, { recursive: true });
  });
});

describe('files', () => {
  test('a snippet that was edited is never overwritten', async () => {
    await adopt();
    const edited = `${await readFile(snippet(), 'utf8')}# mine\n`;
    await writeFile(snippet(), edited);
    const flagsElsewhere = { aliases: ['new.example'] };
    await expect(write(flagsElsewhere)).rejects.toMatchObject({
      code: 'VhostEdited',
      message: expect.stringContaining(snippet()) as unknown,
    });
    expect(await readFile(snippet(), 'utf8')).toBe(edited);
  });

  test("somebody else's broken configuration is told, and stops nothing that runs", async () => {
    await adopt();
    const servedOn = [...(await lab.web.addressesOf(site, testOperation()))];
    await put(inVhosts('zz-broken.conf'), 'this is no directive;\n');
    await expect(lab.web.test(testOperation())).rejects.toMatchObject({ code: 'VhostTestFailed' });
    await expect(prove()).rejects.toMatchObject({
      code: 'VhostTestFailed',
      message: expect.stringContaining('zz-broken.conf:1') as unknown,
    });
    await expect(write()).rejects.toMatchObject({ code: 'VhostTestFailed' });
    // A task that has looked before goes on by what runs.
    expect((await write({ servedOn })).changed).toBe(false);
    expect((await lab.web.requestEverywhere({ ...site, servedOn }, '/', testOperation())).length).toBe(2);
    expect((await visit(lab, site.uri, '/')).status).toBe(200);
  });

  test('an earlier snippet is put back, a new one stays', async () => {
    await ownVhost({ plain: '', secure: '' });
    const { before } = await write().catch(async () => ({ before: { vhost: null, snippet: null } }));
    await lab.web.putVhostBack(site, { ...before, ran: null }, testOperation());
    const fresh = await readFile(snippet(), 'utf8');
    const older = lab.web.renderVhost({ ...site, uri: 'older.example' }).snippet ?? '';
    await lab.web.putVhostBack(site, { vhost: null, snippet: older, ran: null }, testOperation());
    expect(await readFile(snippet(), 'utf8')).toBe(older);
    await lab.web.putVhostBack(site, { vhost: null, snippet: fresh, ran: null }, testOperation());
    expect(await readFile(snippet(), 'utf8')).toBe(fresh);
  });
});

describe('another mode', () => {
  test('from managed: goes on being served until a vhost of its own is ready, then leaves nothing', async () => {
    await write({ vhost: 'managed' });
    const before = await lab.web.lookBeforeWriting(site, testOperation());
    await expect(write()).rejects.toMatchObject({
      code: 'VhostUnfit',
      message: expect.stringContaining('would be served by nobody') as unknown,
    });
    expect((await lab.web.readVhost(site)).vhost).toBe(before.vhost);
    await ownVhost({ plain: '', secure: '' });
    await expect(write()).rejects.toMatchObject(unfit('does not include the snippet'));
    expect((await lab.web.readVhost(site)).vhost).toBe(before.vhost);
    expect((await visit(lab, site.uri, '/.well-known/kedge-vhost')).status).toBe(404);
    await ownVhost();
    expect(await write()).toMatchObject({ changed: true, before: { vhost: before.vhost } });
    expect(await exists(managed())).toBe(false);
    expect((await visitTls(port, site.uri, '/')).status).toBe(200);
    await lab.web.putVhostBack(site, before, testOperation());
    expect(await readFile(managed(), 'utf8')).toBe(before.vhost);
  });

  test('from managed to none: goes when somebody else serves the site', async () => {
    await write({ vhost: 'managed' });
    await expect(write({ vhost: 'none' })).rejects.toMatchObject({ code: 'VhostUnfit' });
    expect((await visit(lab, site.uri, '/')).status).toBe(200);
    await ownVhost({ plain: '', secure: '' });
    const { before } = await write({ vhost: 'none' });
    expect(await exists(managed())).toBe(false);
    expect((await visitTls(port, site.uri, '/')).status).toBe(200);
    await lab.web.putVhostBack({ ...site, vhost: 'none' }, { ...before, ran: null }, testOperation());
    expect(await readFile(managed(), 'utf8')).toBe(before.vhost);
  });

  test('an edited vhost that another mode left stays, with a word', async () => {
    await write({ vhost: 'managed' });
    const edited = `${await readFile(managed(), 'utf8')}# mine\n`;
    await writeFile(managed(), edited);
    const operation = testOperation();
    await write({ vhost: 'none' }, operation);
    expect(operation.warnings).toEqual([expect.stringContaining('it is yours now')]);
    expect(await readFile(managed(), 'utf8')).toBe(edited);
  });

  test.each(['managed', 'none'] as const)(
    'from include to %s: the snippet goes when nobody includes it',
    async (vhost) => {
      await adopt();
      const operation = testOperation();
      if (vhost === 'none') {
        await write({ vhost }, operation);
        expect(operation.warnings).toEqual([
          expect.stringMatching(/is included in .*admin\.conf:[0-9]+ and .*admin\.conf:[0-9]+: take/),
        ]);
        expect(await exists(snippet())).toBe(true);
        await ownVhost({ plain: '', secure: '' });
      } else await rm(inVhosts('admin.conf'));
      const { before } = await write({ vhost });
      expect(await exists(snippet())).toBe(false);
      expect(await exists(managed())).toBe(vhost === 'managed');
      expect((await visit(lab, site.uri, '/')).status).toBe(200);
      await lab.web.putVhostBack({ ...site, vhost }, { ...before, ran: null }, testOperation());
      expect(await exists(snippet())).toBe(true);
    },
  );

  test('none with nothing left does nothing, and proves nothing', async () => {
    const before = await reloads();
    expect((await write({ vhost: 'none' })).changed).toBe(false);
    await lab.web.proveMaintenance({ ...site, vhost: 'none' }, testOperation());
    expect(await reloads()).toBe(before);
  });
});
