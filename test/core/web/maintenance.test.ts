import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import { testOperation } from '../../helpers/operation';
import { host, put, startWebLab, visit, type WebLab } from './web-lab';

let lab: WebLab;
let site: SiteLocation;
const URI = 'shop.example';

beforeAll(async () => {
  lab = await startWebLab();
  // What an administrator may have set for all servers, and what maintenance must not trip over.
  await writeFile(
    join(lab.nginx.address.vhosts, '00-http.conf'),
    `open_file_cache max=100 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors on;
fastcgi_intercept_errors on; error_page 503 /static.txt; add_header Retry-After 1;\n`,
  );
  site = await lab.makeSite(URI);
  await put(join(site.root, 'own503.php'), "<?php http_response_code(503); header('Retry-After: 7'); echo 'mine';");
  await put(join(site.root, 'headers.php'), '<?php echo json_encode($_SERVER);');
  await put(join(site.root, 'picture.png'), 'png');
  await put(join(site.root, '.well-known/acme-challenge/abc_DEF-123'), 'proof');
  await put(join(site.root, '.well-known/acme-challenge/evil.php'), "<?php echo 'ran';");
  await lab.web.writeVhost(site, testOperation());
});
afterAll(() => lab?.stop());
afterEach(() => lab.web.lowerMaintenance(URI));

const get = (path: string, headers: Record<string, string> = {}) => visit(lab, URI, path, { headers });
const probeFolder = () => join(lab.nginx.address.flags, `${URI}.probe`);

describe('the maintenance page', () => {
  test.each([
    ['a page', '/', 'GET', undefined],
    ['PHP', '/index.php?a=b', 'GET', undefined],
    ['a static file', '/static.txt', 'GET', undefined],
    ['a picture', '/picture.png', 'GET', undefined],
    ['a form', '/index.php', 'POST', 'a=b'],
    ['a large upload', '/index.php', 'POST', 'x'.repeat(3_000_000)],
    ['HEAD', '/', 'HEAD', undefined],
    ['a path that does not exist', '/none/at/all', 'GET', undefined],
    ['another method', '/', 'DELETE', undefined],
    ['a path that climbs out of the exempted one', '/.well-known/acme-challenge/../../index.php', 'GET', undefined],
    ['PHP below the exempted path', '/.well-known/acme-challenge/evil.php', 'GET', undefined],
    ['a dotfile', '/.env', 'GET', undefined],
    ['where the stamp is', '/.well-known/kedge-vhost', 'GET', undefined],
  ])('answers %s', async (_what, path, method, body) => {
    await lab.web.raiseMaintenance(URI);
    const answer = await visit(lab, URI, path, { method, ...(body === undefined ? {} : { body }) });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('120');
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    if (method !== 'HEAD') expect(answer.body).toContain('<title>Maintenance</title>');
  });

  test('comes and goes without a reload, and is found on', async () => {
    expect(await lab.web.maintenanceIsOn(URI)).toBe(false);
    expect((await get('/')).status).toBe(200);
    await lab.web.raiseMaintenance(URI);
    await lab.web.raiseMaintenance(URI);
    expect(await lab.web.maintenanceIsOn(URI)).toBe(true);
    expect((await get('/')).status).toBe(503);
    await lab.web.lowerMaintenance(URI);
    await lab.web.lowerMaintenance(URI);
    expect(await lab.web.maintenanceIsOn(URI)).toBe(false);
    expect((await get('/')).status).toBe(200);
  });

  test('is seen by a request of its own', async () => {
    await lab.web.raiseMaintenance(URI);
    const answer = await lab.web.request(site, '/', testOperation());
    expect(answer).toMatchObject({ status: 503, retryAfter: '120', mark: { status: 503, title: 'Maintenance' } });
  });

  test('lets certificate challenges through', async () => {
    await lab.web.raiseMaintenance(URI);
    const answer = await get('/.well-known/acme-challenge/abc_DEF-123');
    expect([answer.status, answer.body]).toEqual([200, 'proof']);
    expect((await get('/.well-known/acme-challenge/unknown')).status).toBe(404);
  });

  test("does not replace the application's own 503", async () => {
    const answer = await get('/own503.php');
    expect([answer.status, answer.body, answer.headers['retry-after']]).toEqual([503, 'mine', '7']);
  });

  test('shows for this site alone', async () => {
    const other = await lab.makeSite('other.example');
    await lab.web.writeVhost(other, testOperation());
    await lab.web.raiseMaintenance(URI);
    expect((await visit(lab, 'other.example', '/')).status).toBe(200);
  });
});

describe('the probe', () => {
  test('passes maintenance, and leaves no token', async () => {
    await lab.web.raiseMaintenance(URI);
    const answer = await lab.web.probe(site, '/', testOperation());
    expect(answer.mark).toEqual({ status: 200, title: `Home of ${URI}` });
    expect(await readdir(probeFolder())).toEqual([]);
  });

  test('leaves no token when it fails', async () => {
    const dead = createNginx({ address: { ...lab.nginx.address, listen: [{ address: '127.0.0.1', port: 1 }] }, host });
    await expect(dead.probe(site, '/', testOperation())).rejects.toMatchObject({ code: 'ProbeFailed', site: URI });
    expect(await readdir(probeFolder())).toEqual([]);
  });

  test('keeps its token from the site', async () => {
    const token = 'a'.repeat(32);
    await writeFile(join(probeFolder(), token), '');
    await lab.web.raiseMaintenance(URI);
    const answer = await get('/headers.php', { 'X-Kedge-Probe': token });
    await rm(join(probeFolder(), token));
    expect(answer.status).toBe(200);
    expect(answer.body).not.toContain(token);
  });

  test.each([
    ['no token', undefined],
    ['a token without a file', 'f'.repeat(32)],
    ['an empty one', ''],
    ['the name nginx uses for none', 'none'],
    ['a file that is not hex', 'not-hex'],
    ['a path', '../../nginx.conf'],
    ['a path of the right length', '../../../../../../../etc/./passwd'],
    ['upper case', 'A'.repeat(32)],
    ['one digit more', 'a'.repeat(33)],
    ['one digit less', 'a'.repeat(31)],
  ])('does not pass with %s', async (_what, token) => {
    await mkdir(probeFolder(), { recursive: true });
    const present = ['not-hex', 'A'.repeat(32), 'a'.repeat(33), 'a'.repeat(31)];
    await Promise.all(present.map((name) => writeFile(join(probeFolder(), name), '')));
    await lab.web.raiseMaintenance(URI);
    const answer = await get('/', token === undefined ? {} : { 'X-Kedge-Probe': token });
    await Promise.all(present.map((name) => rm(join(probeFolder(), name))));
    expect(answer.status).toBe(503);
  });

  test('keeps tokens from being listed by other accounts, and takes its own away', async () => {
    await lab.web.probe(site, '/', testOperation());
    expect(await readdir(probeFolder())).toEqual([]);
    expect((await stat(probeFolder())).mode & 0o777).toBe(0o711);
  });
});

describe('a flag the web server could not see', () => {
  const raise = (flags: string) =>
    createNginx({ address: { ...lab.nginx.address, flags }, host }).raiseMaintenance('a.example');

  test('is refused below a folder others cannot pass', async () => {
    const closed = join(lab.folder, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await expect(raise(join(closed, 'deep/flags'))).rejects.toMatchObject({
      code: 'MaintenanceFailed',
      message: expect.stringContaining(`cannot enter ${closed} on lab`),
      hint: expect.stringContaining(`chmod o+x ${closed}`),
    });
    expect(await readdir(join(closed, 'deep/flags'))).toEqual([]);
  });

  test('is what really happens without the check', async () => {
    const { flags } = lab.nginx.address;
    await lab.web.raiseMaintenance(URI);
    await chmod(flags, 0o700);
    try {
      // The worker of nginx is another account only under root.
      if (process.getuid?.() === 0) expect((await get('/')).status).toBe(200);
      await expect(lab.web.raiseMaintenance(URI)).rejects.toMatchObject({ code: 'MaintenanceFailed' });
    } finally {
      await chmod(flags, 0o755);
    }
    expect((await get('/')).status).toBe(503);
  });

  test('is refused in a folder others can write', async () => {
    const open = join(lab.folder, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    await expect(raise(open)).rejects.toMatchObject({ code: 'OwnerRefused' });
  });

  test('is refused where something else has its name', async () => {
    const flags = join(lab.folder, 'taken');
    await mkdir(join(flags, 'a.example'), { recursive: true });
    await expect(raise(flags)).rejects.toMatchObject({ code: 'MaintenanceFailed' });
  });

  test.each(['../evil', 'a/b', 'A.example', '', '.', 'a.example\n'])('is refused for the name %j', async (uri) => {
    await expect(lab.web.raiseMaintenance(uri)).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
    await expect(lab.web.lowerMaintenance(uri)).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
    await expect(lab.web.maintenanceIsOn(uri)).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
  });

  test('is on when an administrator linked it', async () => {
    const flag = join(lab.nginx.address.flags, URI);
    await symlink(join(site.root, 'static.txt'), flag);
    expect(await lab.web.maintenanceIsOn(URI)).toBe(true);
    expect((await get('/')).status).toBe(503);
    await lab.web.raiseMaintenance(URI);
    await lab.web.lowerMaintenance(URI);
    expect(await readFile(join(site.root, 'static.txt'), 'utf8')).toBe('static');
    expect((await get('/')).status).toBe(200);
  });

  test('survives a flag folder that is gone', async () => {
    const { flags } = lab.nginx.address;
    await rename(flags, `${flags}.away`);
    expect(await lab.web.maintenanceIsOn(URI)).toBe(false);
    await lab.web.lowerMaintenance(URI);
    await lab.web.raiseMaintenance(URI);
    expect((await get('/')).status).toBe(503);
    await rm(flags, { recursive: true });
    await rename(`${flags}.away`, flags);
  });
});
