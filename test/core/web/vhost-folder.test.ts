import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startNginx } from '../../../scripts/lab/nginx';
import type { SiteLocation, WebServerAddress } from '../../../src/contract/target';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import { stampOf } from '../../../src/core/web/stamp';
import type { WebServer } from '../../../src/core/web/web-server';
import { testOperation } from '../../helpers/operation';
import { host, startWebLab, visit, type WebLab } from './web-lab';
import { until } from '../../helpers/until';

let lab: WebLab;
let site: SiteLocation;
let number = 0;
const NOTHING = { vhost: null, snippet: null };

beforeAll(async () => {
  lab = await startWebLab();
});
afterAll(() => lab?.stop());
beforeEach(async () => {
  site = await lab.makeSite(`site${number++}.example`);
});

const fileOf = ({ uri }: SiteLocation) => join(lab.nginx.address.vhosts, `${uri}.conf`);
const vhostOf = async (of: SiteLocation) => (await lab.web.readVhost(of)).vhost;
const rendered = (of: SiteLocation) => lab.web.renderVhost(of).vhost ?? '';
const read = (of: SiteLocation) => readFile(fileOf(of), 'utf8');
const broken = () => join(lab.nginx.address.vhosts, 'zz-somebody-else.conf');
const write = (of: SiteLocation) => lab.web.writeVhost(of, testOperation());
const statusOf = async (of: SiteLocation) => (await visit(lab, of.uri, '/')).status;
const reloads = async () => (await readFile(lab.nginx.errorLog, 'utf8')).split('reconfiguring').length;
const serves = async (of: SiteLocation) =>
  statusOf(of)
    .then((status) => status === 200)
    .catch(() => false);

describe('writing a vhost', () => {
  test('loads it, and does nothing the second time', async () => {
    expect(await vhostOf(site)).toBeNull();
    expect(await write(site)).toEqual({ changed: true, before: NOTHING });
    expect(await statusOf(site)).toBe(200);
    expect((await stat(fileOf(site))).mode & 0o777).toBe(0o644);
    const text = rendered(site);
    expect(await vhostOf(site)).toBe(text);
    const before = await reloads();
    expect(await write(site)).toEqual({ changed: false, before: { vhost: text, snippet: null } });
    expect(await reloads()).toBe(before);
  });

  test('loads a file that a crash left unloaded', async () => {
    await writeFile(fileOf(site), rendered(site));
    await expect(statusOf(site)).rejects.toThrow();
    expect((await write(site)).changed).toBe(true);
    expect(await statusOf(site)).toBe(200);
  });

  test('does nothing for a site whose vhost is none', async () => {
    const none: SiteLocation = { ...site, vhost: 'none' };
    expect(await write(none)).toEqual({ changed: false, before: NOTHING });
    await lab.web.putVhostBack(none, { ...NOTHING, ran: null }, testOperation());
    expect(await vhostOf(none)).toBeNull();
  });

  test('loads 20 at once', async () => {
    const sites = await Promise.all(Array.from({ length: 20 }, (_, index) => lab.makeSite(`many${index}.example`)));
    const changes = await Promise.all(sites.map(write));
    expect(changes.every(({ changed }) => changed)).toBe(true);
    expect(await Promise.all(sites.map(statusOf))).toEqual(sites.map(() => 200));
  });

  test('is not noticed by visitors of a neighbour', async () => {
    await write(site);
    const neighbour = await lab.makeSite(`neighbour${number}.example`);
    const answers: (number | string)[] = [];
    let stopped = false;
    const stream = (async () => {
      while (!stopped) answers.push(await statusOf(site).catch((error: Error) => error.message));
    })();
    for (const aliases of [[], ['x.example'], ['y.example'], []]) await write({ ...neighbour, aliases });
    stopped = true;
    await stream;
    expect(answers.length).toBeGreaterThan(10);
    expect(new Set(answers)).toEqual(new Set([200]));
  });
});

describe('a vhost that is not ours', () => {
  test.each([
    ['edited by hand', (text: string) => text.replace('128m', '1g'), 'was edited by hand'],
    ['written by somebody else', () => 'server { }\n', 'was not written by Kedge'],
    ['empty', () => '', 'was not written by Kedge'],
  ])('is never overwritten: %s', async (_what, edit, message) => {
    await write(site);
    const edited = edit(await read(site));
    await writeFile(fileOf(site), edited);
    await expect(write({ ...site, aliases: ['new.example'] })).rejects.toMatchObject({
      code: 'VhostEdited',
      message: expect.stringContaining(message),
      site: site.uri,
    });
    await expect(write(site)).rejects.toMatchObject({ code: 'VhostEdited' });
    expect(await read(site)).toBe(edited);
    await rm(fileOf(site));
  });

  test('is refused as a link', async () => {
    const elsewhere = join(lab.folder, 'elsewhere.conf');
    await writeFile(elsewhere, rendered(site));
    await symlink(elsewhere, fileOf(site));
    await expect(write(site)).rejects.toMatchObject({ code: 'FileRefused' });
    await expect(vhostOf(site)).rejects.toMatchObject({ code: 'FileRefused' });
    await rm(fileOf(site));
  });

  test('is refused in a folder that others can write, or that is missing', async () => {
    const { vhosts } = lab.nginx.address;
    await chmod(vhosts, 0o777);
    await expect(write(site)).rejects.toMatchObject({ code: 'OwnerRefused' });
    await chmod(vhosts, 0o755);
    const missing = createNginx({ address: { ...lab.nginx.address, vhosts: join(lab.folder, 'missing') }, host });
    await expect(missing.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'FileRefused' });
  });

  test('wins or loses by name, and the loser is told', async () => {
    const other = join(lab.nginx.address.vhosts, '00-other.conf');
    const { port } = lab.nginx;
    await writeFile(other, `server { listen 127.0.0.1:${port}; server_name ${site.uri}; return 200 other; }\n`);
    const operation = testOperation();
    const impatient = createNginx({ address: lab.nginx.address, host, loadLimitMs: 300 });
    await expect(impatient.writeVhost(site, operation)).rejects.toMatchObject({
      code: 'VhostTestFailed',
      message: expect.stringContaining(`conflicting server name "${site.uri}"`),
    });
    expect(operation.warnings).toEqual([expect.stringContaining('conflicting server name')]);
    expect(await vhostOf(site)).toBeNull();
    await rm(other);
  });
});

describe('a configuration that does not pass', () => {
  afterEach(() => rm(broken(), { force: true }));

  test('of somebody else: ours is put back and the server goes on', async () => {
    await write(site);
    const before = await read(site);
    await writeFile(broken(), 'this is no directive;\n');
    const change = write({ ...site, aliases: ['more.example'] });
    await expect(change).rejects.toMatchObject({
      code: 'VhostTestFailed',
      message: expect.stringMatching(/lab refuses its configuration.*zz-somebody-else\.conf:1/s),
    });
    expect(await read(site)).toBe(before);
    expect(await statusOf(site)).toBe(200);
    await expect(lab.web.test(testOperation())).rejects.toMatchObject({ code: 'VhostTestFailed' });
    // Nothing to write: nothing is tested either.
    expect((await write(site)).changed).toBe(false);
  });

  test('of somebody else: a new file is removed again', async () => {
    await writeFile(broken(), 'server {\n');
    await expect(write(site)).rejects.toMatchObject({ code: 'VhostTestFailed' });
    expect(await vhostOf(site)).toBeNull();
  });

  test('of ours: put back', async () => {
    await write(site);
    const before = await read(site);
    const phpSocket = `/run/${'long'.repeat(40)}.sock`;
    await expect(write({ ...site, phpSocket })).rejects.toMatchObject({ code: 'VhostTestFailed' });
    expect(await read(site)).toBe(before);
    await lab.web.test(testOperation());
  });

  test('of ours: tasks of other sites at the same time do not meet it', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, (_, index) => lab.makeSite(`with${index}.example`)));
    const [bad, ...good] = await Promise.allSettled([
      write({ ...site, phpSocket: `/run/${'long'.repeat(40)}.sock` }),
      ...others.map(write),
    ]);
    expect(bad?.status).toBe('rejected');
    expect(good.map(({ status }) => status)).toEqual(others.map(() => 'fulfilled'));
  });

  test('a test that cannot be run: put back', async () => {
    const missing = createNginx({ address: { ...lab.nginx.address, test: ['no-such-program'] }, host });
    await expect(missing.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'ProgramMissing' });
    expect(await vhostOf(site)).toBeNull();
  });

  test('a reload that fails, or does nothing: put back', async () => {
    const failing = createNginx({ address: { ...lab.nginx.address, reload: ['false'] }, host });
    await expect(failing.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'ProgramFailed' });
    expect(await vhostOf(site)).toBeNull();
    const idle = createNginx({ address: { ...lab.nginx.address, reload: ['true'] }, host, loadLimitMs: 200 });
    await expect(idle.writeVhost(site, testOperation())).rejects.toMatchObject({
      code: 'VhostTestFailed',
      message: expect.stringContaining('does not run the vhost'),
    });
    expect(await vhostOf(site)).toBeNull();
  });

  test('cancelled during the test or while waiting for the reload: put back', async () => {
    for (const change of [{ test: ['sleep', '60'] }, { reload: ['true'] }]) {
      const operation = testOperation();
      const slow = createNginx({ address: { ...lab.nginx.address, ...change }, host });
      const writing = slow.writeVhost(site, operation);
      const settled = writing.catch(() => undefined);
      await until('written', async () => (await vhostOf(site)) !== null);
      operation.cancel();
      await settled;
      await expect(writing).rejects.toThrow('the test cancelled');
      expect(await vhostOf(site)).toBeNull();
    }
  });

  test('one that waits its turn and is cancelled does nothing', async () => {
    const operation = testOperation();
    const other = await lab.makeSite(`turn${number}.example`);
    const first = write(other);
    const second = lab.web.writeVhost(site, operation);
    operation.cancel();
    await expect(second).rejects.toThrow('the test cancelled');
    await first;
    expect(await vhostOf(site)).toBeNull();
  });
});

test('what another process has not tested yet is met by nobody', async () => {
  const other = await lab.makeSite('other-process.example', { vhostInclude: join(lab.folder, 'broken.inc') });
  await writeFile(join(lab.folder, 'broken.inc'), 'nonsense;\n');
  const [testing, go] = [join(lab.folder, 'testing'), join(lab.folder, 'go')];
  const { address } = lab.nginx;
  const writer = startWriter({ ...address, test: heldTest(testing, go) }, other);
  await until('the other process tests what it wrote', async () => existsSync(testing) || writer.output() !== '');
  expect(await vhostOf(other)).toContain('broken.inc');

  let settled = false;
  const works = Promise.all([
    lab.web.test(testOperation()),
    write(site),
    lab.web.putVhostBack(other, { ...NOTHING, ran: null }, testOperation()),
  ]);
  void works.then(
    () => (settled = true),
    () => (settled = true),
  );
  // Behind the other process, and behind each other.
  const { ino } = await stat(join(address.vhosts, '.kedge.lock'));
  const waits = async () => new RegExp(`-> FLOCK .*:${ino} `).test(await readFile('/proc/locks', 'latin1'));
  await until('this process waits for it', async () => settled || (await waits()));
  await writeFile(go, '');
  await works;
  await writer.ended;
  expect(writer.output()).toBe('VhostTestFailed\n');
  expect(await vhostOf(other)).toBeNull();
  expect(await statusOf(site)).toBe(200);
});

test("the lock of a process that died is nobody's", async () => {
  const dead = await lab.makeSite('dead.example');
  const [testing, go] = [join(lab.folder, 'testing-for-ever'), join(lab.folder, 'end')];
  const { address } = lab.nginx;
  const writer = startWriter({ ...address, test: heldTest(testing, go) }, dead);
  await until('the other process tests what it wrote', async () => existsSync(testing) || writer.output() !== '');
  writer.child.kill('SIGKILL');
  await writer.ended;
  expect(await write(site)).toMatchObject({ changed: true });
  await writeFile(go, '');
});

/** A configuration test that says that it began, and goes on when it is told to. */
function heldTest(begun: string, go: string): [string, ...string[]] {
  const script = 'touch "$1"; while [ ! -e "$2" ]; do sleep 0.02; done; shift 2; exec "$@"';
  return ['sh', '-c', script, 'sh', begun, go, ...lab.nginx.address.test];
}

/** Another process of Kedge's. */
function startWriter(address: WebServerAddress, of: SiteLocation) {
  const program = join(__dirname, '../../helpers/vhost-writer.js');
  const child = spawn(process.execPath, [program, JSON.stringify(address), JSON.stringify(of)]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, ended: once(child, 'exit'), output: () => output };
}

describe('putting a vhost back', () => {
  const putBack = (before: string | null, operation = testOperation()) =>
    lab.web.putVhostBack(site, { vhost: before, snippet: null, ran: null }, operation);

  test('where there was none: removed and unloaded', async () => {
    await write(site);
    await putBack(null);
    expect(await vhostOf(site)).toBeNull();
    await expect(statusOf(site)).rejects.toThrow();
    const before = await reloads();
    await putBack(null);
    expect(await reloads()).toBe(before);
  });

  test('where there was another one: as it was, and loaded', async () => {
    await write({ ...site, aliases: ['old.example'] });
    const before = await read(site);
    await write(site);
    await expect(visit(lab, 'old.example', '/')).rejects.toThrow();
    await putBack(before);
    expect(await read(site)).toBe(before);
    expect((await visit(lab, 'old.example', '/')).status).toBe(200);
    const count = await reloads();
    await putBack(before);
    expect(await reloads()).toBe(count);
  });

  test('where there was none, and another site has the name as an alias: done', async () => {
    const other = await lab.makeSite(`aaa${number}.example`, { aliases: [site.uri] });
    await write(other);
    await putBack(null);
    const impatient = createNginx({ address: lab.nginx.address, host, loadLimitMs: 300 });
    await impatient.writeVhost(site, testOperation()).catch(() => undefined);
    await putBack(null);
    expect(await vhostOf(site)).toBeNull();
    expect((await visit(lab, site.uri, '/')).body).toContain(`Home of ${other.uri}`);
  });

  test('after a crash between removing and reloading', async () => {
    await write(site);
    await rm(fileOf(site));
    await putBack(null);
    await expect(statusOf(site)).rejects.toThrow();
  });

  test('after a crash between writing and reloading', async () => {
    await write({ ...site, aliases: ['kept.example'] });
    const before = await read(site);
    await write(site);
    await writeFile(fileOf(site), before);
    await putBack(before);
    expect((await visit(lab, 'kept.example', '/')).status).toBe(200);
    await putBack(null);
  });

  test('where nothing was changed: nothing, whatever the state of the server', async () => {
    await write(site);
    const before = await read(site);
    await writeFile(broken(), 'this is no directive;\n');
    await putBack(before);
    expect(await read(site)).toBe(before);
    await rm(broken());
  });

  test('a foreign file found before stays', async () => {
    await writeFile(fileOf(site), '# mine\n');
    await putBack('# mine\n');
    expect(await read(site)).toBe('# mine\n');
  });

  test('an edit made in the meantime stays, with a warning', async () => {
    await write(site);
    await writeFile(fileOf(site), `${await read(site)}# mine\n`);
    const operation = testOperation();
    await putBack(null, operation);
    expect(await read(site)).toContain('# mine\n');
    expect(operation.warnings).toEqual([expect.stringContaining('was edited during the task')]);
    await rm(fileOf(site));
  });

  test('fails, and works when tried again after the cause is gone', async () => {
    await write(site);
    await writeFile(broken(), 'this is no directive;\n');
    await expect(putBack(null)).rejects.toMatchObject({ code: 'VhostTestFailed' });
    await rm(broken());
    await putBack(null);
    await expect(statusOf(site)).rejects.toThrow();
  });

  describe('that the server did not run before, for its configuration does not include it', () => {
    let forgetful: WebServer;

    beforeEach(async () => {
      // The folder is there, and nobody includes it.
      const vhosts = join(lab.folder, `forgotten-${site.uri}`);
      await mkdir(vhosts);
      forgetful = createNginx({ address: { ...lab.nginx.address, vhosts }, host, loadLimitMs: 300 });
    });

    test.each([
      ['the same', {}],
      ['an older one', { aliases: ['older.example'] }],
    ])('%s: it lies there again, and nothing more is asked of the server', async (_which, change) => {
      const file = join(lab.folder, `forgotten-${site.uri}`, `${site.uri}.conf`);
      const text = rendered({ ...site, ...change });
      await writeFile(file, text);
      const before = await forgetful.lookBeforeWriting(site, testOperation());
      expect(before).toEqual({ vhost: text, snippet: null, ran: {} });
      await expect(forgetful.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'VhostTestFailed' });
      await forgetful.putVhostBack(site, before, testOperation());
      expect(await readFile(file, 'utf8')).toBe(text);
      // A worker that died left the new one.
      await writeFile(file, rendered(site));
      await forgetful.putVhostBack(site, before, testOperation());
      expect(await readFile(file, 'utf8')).toBe(text);
      await expect(statusOf(site)).rejects.toThrow();
    });

    test('and that ran is asked for: who took the include away meanwhile is told', async () => {
      await write(site);
      const before = await lab.web.lookBeforeWriting(site, testOperation());
      const { port } = lab.nginx;
      expect(before).toEqual({
        vhost: rendered(site),
        snippet: null,
        ran: { [`127.0.0.1:${port}`]: stampOf(before.vhost ?? '') },
      });
      const changed = { ...site, aliases: ['changed.example'] };
      await write(changed);
      await rename(fileOf(site), join(lab.folder, `forgotten-${site.uri}`, `${site.uri}.conf`));
      await expect(forgetful.putVhostBack(site, before, testOperation())).rejects.toMatchObject({
        code: 'VhostTestFailed',
        message: expect.stringContaining('does not run the vhost') as unknown,
      });
    });
  });

  test('while the server is down: it reads the file when it starts', async () => {
    await write(site);
    const text = await read(site);
    // The same folders, seen as a server that nobody started.
    const down = createNginx({
      address: { ...lab.nginx.address, listen: [{ address: '127.0.0.1', port: 1 }] },
      host,
    });
    await down.putVhostBack(site, { ...NOTHING, ran: null }, testOperation());
    expect(await vhostOf(site)).toBeNull();
    await down.putVhostBack(site, { vhost: text, snippet: null, ran: null }, testOperation());
    expect(await read(site)).toBe(text);
  });
});

test('a server that is down cannot be given a vhost', async () => {
  const nginx = await startNginx({ folder: join(lab.folder, 'stopped') });
  await nginx.stop();
  const web = createNginx({ address: nginx.address, host });
  await expect(web.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'ProgramFailed' });
  expect(await web.readVhost(site)).toEqual(NOTHING);
  await expect(web.probe(site, '/', testOperation())).rejects.toMatchObject({ code: 'ProbeFailed' });
});

test('a flags folder the server cannot pass is noticed before anything is written', async () => {
  const { flags } = lab.nginx.address;
  await rename(flags, `${flags}.away`);
  const closed = join(lab.folder, 'shut');
  await lab.makeSite('unused.example', { root: join(closed, 'x') });
  await chmod(closed, 0o700);
  const web = createNginx({ address: { ...lab.nginx.address, flags: join(closed, 'flags') }, host });
  await expect(web.writeVhost(site, testOperation())).rejects.toMatchObject({ code: 'MaintenanceFailed' });
  expect(await vhostOf(site)).toBeNull();
  await rename(`${flags}.away`, flags);
  expect(await serves(site)).toBe(false);
});
