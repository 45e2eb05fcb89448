import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { SiteLocation } from '../../../../src/contract/target';
import type { HostRulesFile } from '../../../../src/core/hosts/rules/host-rules';
import { createNginx } from '../../../../src/core/web/nginx/nginx';
import type { WebServer } from '../../../../src/core/web/web-server';
import { describeAsRoot } from '../../../helpers/as-root';
import { HOST_PROGRAM, type PipedHost, pipedChannel, pipedHost } from '../../../helpers/host-program';
import { testOperation } from '../../../helpers/operation';
import { type WebLab, startWebLab, visit } from '../../web/web-lab';

/* A web server on a machine with rules: vhosts are rendered there, from values. */

describeAsRoot('vhosts on a machine with rules', () => {
  let lab: WebLab;
  let there: PipedHost;
  let web: WebServer;
  let site: SiteLocation;
  const rulesOf = (changes: Partial<NonNullable<HostRulesFile['web']>> = {}): HostRulesFile => ({
    version: 1,
    master: 'backup1',
    sites: [{ folder: join(lab.folder, 'sites'), owners: ['nobody'] }],
    web: {
      kind: 'nginx',
      vhosts: lab.nginx.address.vhosts,
      flags: lab.nginx.address.flags,
      test: lab.nginx.address.test,
      reload: lab.nginx.address.reload,
      names: ['shop.example', '*.shop.example'],
      listen: lab.nginx.address.listen,
      templates: [join(lab.folder, 'vhost.mustache')],
      ...changes,
    },
    connect: { sockets: [lab.php.socketOf('site')] },
  });
  const connect = (rules: HostRulesFile): PipedHost => {
    const file = join(lab.folder, 'host.yaml');
    writeFileSync(file, stringify(rules), { mode: 0o644 });
    return pipedHost({
      openChannel: async () => pipedChannel([process.execPath, HOST_PROGRAM, '--rules', file]),
    });
  };
  beforeAll(async () => {
    lab = await startWebLab();
    there = connect(rulesOf());
    await there.host.connect();
    web = createNginx({ address: lab.nginx.address, host: there.host, loadLimitMs: 5_000 });
    site = await lab.makeSite('shop.example');
  });
  afterAll(async () => {
    await there?.host.close();
    await lab?.stop();
  });

  const file = (): string => join(lab.nginx.address.vhosts, 'shop.example.conf');
  const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

  test('are written, tested and loaded, put back as they were, and removed', async () => {
    expect(await web.writeVhost(site, testOperation())).toMatchObject({ changed: true });
    expect((await visit(lab, site.uri, '/')).status).toBe(200);
    const text = readFileSync(file(), 'utf8');
    expect(text).toBe(web.renderVhost(site).vhost);
    expect(statSync(file()).mode & 0o777).toBe(0o644);
    expect(await web.writeVhost(site, testOperation())).toMatchObject({ changed: false });
    const before = await web.lookBeforeWriting(site, testOperation());
    const renamed = { ...site, aliases: ['www.shop.example'] };
    expect(await web.writeVhost(renamed, testOperation())).toMatchObject({ changed: true });
    expect((await visit(lab, 'www.shop.example', '/')).status).toBe(200);
    await web.putVhostBack(site, before, testOperation());
    expect(readFileSync(file(), 'utf8')).toBe(text);
    await web.putVhostBack(site, { vhost: null, snippet: null, ran: {} }, testOperation());
    expect(existsSync(file())).toBe(false);
    // What was there before is root's, and no web server reads it.
    const kept = join(lab.nginx.address.vhosts, '.kedge.kept');
    expect(statSync(kept).mode & 0o777).toBe(0o700);
    expect(readdirSync(kept)).toContain(`shop.example.conf.${digestOf(text)}`);
  });

  test('by a template that lies there, whatever text the master has', async () => {
    const path = join(lab.folder, 'vhost.mustache');
    const template =
      'server {\n{{#listen}} listen {{.}}; {{/listen}}\nserver_name {{serverNames}};\n{{> maintenance}}\n}\n';
    writeFileSync(path, template, { mode: 0o644 });
    await web.writeVhost({ ...site, vhostTemplate: { path, text: template } }, testOperation());
    expect(readFileSync(file(), 'utf8')).toContain('server_name shop.example;');
    const changed = { path, text: template.replace('server {', 'load_module x.so; server {') };
    await expect(web.writeVhost({ ...site, vhostTemplate: changed }, testOperation())).rejects.toMatchObject({
      code: 'HostRefused',
      message: expect.stringContaining('neither what this server renders'),
    });
    expect(readFileSync(file(), 'utf8')).not.toContain('load_module');
  });

  test('of a snippet too', async () => {
    const path = join(lab.nginx.address.vhosts, 'shop.example.include');
    const include: SiteLocation = { ...site, vhost: 'include' };
    const text = web.renderVhost(include).snippet ?? '';
    await there.host.putVhostFile({ path, site: include, sha256: digestOf(text) });
    expect(readFileSync(path, 'utf8')).toBe(text);
    await there.host.putVhostFile({ path, site: include, sha256: null });
    expect(existsSync(path)).toBe(false);
  });

  test('are refused where the rules and the configuration of the master differ', async () => {
    const other = connect(rulesOf({ listen: [{ address: '127.0.0.1', port: 1 }] }));
    await other.host.connect();
    const elsewhere = createNginx({ address: lab.nginx.address, host: other.host, loadLimitMs: 5_000 });
    try {
      await expect(
        elsewhere.writeVhost({ ...site, aliases: ['other.shop.example'] }, testOperation()),
      ).rejects.toMatchObject({ code: 'HostRefused', message: expect.stringContaining('the same in kedge.yaml') });
    } finally {
      await other.host.close();
    }
  });
});
