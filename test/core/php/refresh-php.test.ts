import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { testOperation } from '../../helpers/operation';
import { OWNER, put, startWebLab, visit, type WebLab } from '../web/web-lab';
import { until } from '../../helpers/until';

const WORKERS = 3;
/** What a site on a tuned server has: nothing looks at a file again, and new files are cached at once. */
const TUNED = {
  'opcache.validate_timestamps': '0',
  'opcache.file_update_protection': '0',
  'pm.max_children': `${WORKERS}`,
};

const PREPENDED = `/var/tmp/kedge-prepended-${process.pid}.php`;
const WHEN = new Date('2026-01-01T00:00:00Z');

let lab: WebLab;
let number = 0;

beforeAll(async () => {
  lab = await startWebLab([
    { name: 'tuned', owner: OWNER, settings: TUNED },
    { name: 'stamped', owner: OWNER, settings: { ...TUNED, 'opcache.validate_timestamps': '1' } },
    { name: 'off', owner: OWNER, settings: { 'opcache.enable': '0' } },
    { name: 'restricted', owner: OWNER, settings: { 'opcache.restrict_api': '/nowhere' } },
    { name: 'jailed', owner: OWNER, settings: { open_basedir: '/nowhere' } },
    { name: 'disabled', owner: OWNER, settings: { disable_functions: 'opcache_get_status' } },
    {
      name: 'chatty',
      owner: OWNER,
      settings: { auto_prepend_file: PREPENDED },
    },
  ]);
});
afterAll(async () => {
  await rm(PREPENDED, { force: true });
  await lab?.stop();
});

const ask = (site: SiteLocation) => lab.web.refreshPhp(site, testOperation());
/** How many scripts were invalidated; null where none could be. */
async function refresh(site: SiteLocation): Promise<number | null> {
  const cache = await ask(site);
  return cache.state === 'refreshed' ? cache.scripts : null;
}
const probeFolder = ({ uri }: SiteLocation) => join(lab.nginx.address.flags, `${uri}.probe`);

/** A page that says which version of three files it is made of, and which worker answers. */
async function makeVersioned(version: string, pool = 'tuned'): Promise<SiteLocation> {
  const site = await lab.makeSite(`php${number++}.example`, { phpSocket: lab.php.socketOf(pool) });
  await fill(site.root, version);
  await lab.web.writeVhost(site, testOperation());
  return site;
}

async function fill(folder: string, version: string): Promise<void> {
  await put(
    join(folder, 'index.php'),
    `<?php require 'settings.php'; require __DIR__ . '/lib/code.php'; usleep(20000);
echo json_encode(['worker' => getmypid(), 'says' => '${version}' . SETTINGS . code()]);`,
  );
  await put(join(folder, 'settings.php'), `<?php const SETTINGS = '${version}';`);
  await put(join(folder, 'lib/code.php'), `<?php function code() { return '${version}'; }`);
  // Time stamps tell nothing, as after a restore in the same second.
  for (const name of ['index.php', 'settings.php', 'lib/code.php']) await utimes(join(folder, name), WHEN, WHEN);
}

/** What each worker of the pool says, asked until all of them answered. */
async function answers(site: SiteLocation): Promise<Map<number, Set<string>>> {
  const found = new Map<number, Set<string>>();
  await until('all workers answered', async () => {
    const pages = await Promise.all(Array.from({ length: 2 * WORKERS }, () => visit(lab, site.uri, '/')));
    for (const { body } of pages) {
      const { worker, says } = JSON.parse(body);
      found.set(worker, (found.get(worker) ?? new Set()).add(says));
    }
    return found.size === WORKERS;
  });
  return found;
}

const saidBy = (found: Map<number, Set<string>>) => [...new Set([...found.values()].flatMap((said) => [...said]))];

test.each([
  ['nothing looks at time stamps', 'tuned'],
  ['time stamps are equal', 'stamped'],
])('every worker serves the code of a folder that was swapped in, though %s', async (_why, pool) => {
  const site = await makeVersioned('1', pool);
  expect(saidBy(await answers(site))).toEqual(['111']);
  const staged = `${site.root}.staged`;
  await fill(staged, '2');
  await rename(site.root, `${site.root}.previous`);
  await rename(staged, site.root);
  // The cache is really stale, or this test would show nothing.
  expect(saidBy(await answers(site))).toEqual(['111']);
  expect(await refresh(site)).toBe(3);
  expect(saidBy(await answers(site))).toEqual(['222']);
  expect(await readdir(probeFolder(site))).toEqual([]);

  await rename(site.root, staged);
  await rename(`${site.root}.previous`, site.root);
  expect(await refresh(site)).toBe(3);
  expect(saidBy(await answers(site))).toEqual(['111']);
});

test('code in a declared path that was swapped in is served too', async () => {
  const made = await makeVersioned('1');
  const code = `${made.root}.code`;
  const site = { ...made, paths: { code } };
  const fillCode = async (folder: string, version: string): Promise<void> => {
    await put(join(folder, 'code.php'), `<?php function code() { return '${version}'; }`);
    await utimes(join(folder, 'code.php'), WHEN, WHEN);
  };
  await fillCode(code, '1');
  await put(join(site.root, 'lib/code.php'), `<?php require '${code}/code.php';`);
  await refresh(site);
  expect(saidBy(await answers(site))).toEqual(['111']);
  await fillCode(`${code}.staged`, '2');
  await rename(code, `${code}.previous`);
  await rename(`${code}.staged`, code);
  expect(saidBy(await answers(site))).toEqual(['111']);
  await refresh(site);
  expect(saidBy(await answers(site))).toEqual(['112']);
});

/** What each worker makes of the pages, or the status where that is no page of theirs. */
const leadsTo = async (site: SiteLocation, page: string): Promise<Map<number, Set<string>>> => {
  await put(
    join(site.root, 'index.php'),
    `<?php usleep(20000); echo json_encode(['worker' => getmypid(), 'says' => (string) ${page}]);`,
  );
  await refresh(site);
  return answers(site);
};

test.each([
  ['a link', (path: string, other: string) => symlink(other, path), 'other/page.txt'],
  ['a file', (path: string) => writeFile(path, 'no folder'), ''],
])('every worker forgets that %s lay in the place of a folder', async (_what, lay, seen) => {
  const site = await makeVersioned('1');
  await put(join(site.root, 'other/page.txt'), 'other');
  const path = join(site.root, 'folder');
  await lay(path, join(site.root, 'other'));
  const page =
    "(is_dir(__DIR__ . '/folder') ? '' : '') . substr(realpath(__DIR__ . '/folder/page.txt'), strlen(__DIR__) + 1)";
  // Each worker has looked, and remembers what it saw.
  expect(saidBy(await leadsTo(site, page))).toEqual([seen]);
  await rm(path);
  await put(join(path, 'page.txt'), 'page');
  expect(await refresh(site)).toBeGreaterThan(0);
  expect(saidBy(await answers(site))).toEqual(['folder/page.txt']);
});

test('code that a link led to, out of the site, is no longer run when a folder lies in its place', async () => {
  const site = await makeVersioned('1');
  const elsewhere = `${site.root}.elsewhere`;
  await put(join(elsewhere, 'code.php'), "<?php function code() { return 'x'; }");
  await put(`${site.root}.settings.php`, "<?php const SETTINGS = 'y';");
  await rm(join(site.root, 'lib'), { recursive: true });
  await rm(join(site.root, 'settings.php'));
  await symlink(elsewhere, join(site.root, 'lib'));
  await symlink(`${site.root}.settings.php`, join(site.root, 'settings.php'));
  await refresh(site);
  expect(saidBy(await answers(site))).toEqual(['1yx']);
  await rm(join(site.root, 'lib'));
  await rm(join(site.root, 'settings.php'));
  await fill(site.root, '1');
  await refresh({ ...site, linkedTo: [elsewhere, `${site.root}.settings.php`] });
  expect(saidBy(await answers(site))).toEqual(['111']);
});

test('every worker forgets that a file lay in the place of the site folder', async () => {
  const site = await makeVersioned('1');
  await answers(site);
  await rename(site.root, `${site.root}.aside`);
  await writeFile(site.root, 'no folder');
  await refresh(site);
  const broken = await Promise.all(Array.from({ length: 8 * WORKERS }, () => visit(lab, site.uri, '/')));
  expect([...new Set(broken.map(({ status }) => status))]).not.toContain(200);
  await rm(site.root);
  await rename(`${site.root}.aside`, site.root);
  await refresh(site);
  const pages = await Promise.all(Array.from({ length: 8 * WORKERS }, () => visit(lab, site.uri, '/')));
  expect([...new Set(pages.map(({ status }) => status))]).toEqual([200]);
  expect(saidBy(await answers(site))).toEqual(['111']);
});

test('a worker that is busy all the time is told of, and keeps nobody waiting', async () => {
  const site = await makeVersioned('1');
  await answers(site);
  await put(
    join(site.root, 'endless.php'),
    `<?php touch(__DIR__ . '/begun'); while (!file_exists(__DIR__ . '/end')) { usleep(10000); clearstatcache(); }`,
  );
  await chmod(site.root, 0o777);
  const endless = visit(lab, site.uri, '/endless.php');
  await until('it has begun', async () => existsSync(join(site.root, 'begun')));
  expect(await ask(site)).toMatchObject({ state: 'refreshed', busy: 1 });
  await writeFile(join(site.root, 'end'), '');
  await endless;
  expect(await ask(site)).toEqual({ state: 'refreshed', scripts: expect.any(Number) });
});

test('a script that is gone from disk is no longer run', async () => {
  const site = await makeVersioned('1');
  await put(
    join(site.root, 'index.php'),
    "<?php @include __DIR__ . '/gone.php'; echo function_exists('gone') ? 'there' : 'gone';",
  );
  await put(join(site.root, 'gone.php'), '<?php function gone() {}');
  expect((await visit(lab, site.uri, '/')).body).toBe('there');
  await rm(join(site.root, 'gone.php'));
  expect((await visit(lab, site.uri, '/')).body).toBe('there');
  await refresh(site);
  expect((await visit(lab, site.uri, '/')).body).toBe('gone');
});

test('a neighbour keeps its cache, also one whose name begins alike', async () => {
  const site = await makeVersioned('1');
  const neighbour = await lab.makeSite(`neighbour${number++}.example`, { root: `${site.root}-2` });
  await fill(neighbour.root, '7');
  await lab.web.writeVhost(neighbour, testOperation());
  await answers(site);
  await answers(neighbour);
  await fill(neighbour.root, '8');
  expect(await refresh(site)).toBe(3);
  expect(saidBy(await answers(neighbour))).toEqual(['777']);
  expect(await refresh(neighbour)).toBe(3);
  expect(saidBy(await answers(neighbour))).toEqual(['888']);
});

test('a site whose folder is reached through a link is refreshed', async () => {
  const site = await makeVersioned('1');
  await answers(site);
  const link = join(lab.folder, 'linked');
  await mkdir(link);
  await symlink(join(lab.folder, 'sites'), join(link, 'sites'));
  expect(await refresh({ ...site, root: join(link, 'sites', site.uri) })).toBe(3);
});

test('works during maintenance', async () => {
  const site = await makeVersioned('1');
  await answers(site);
  await lab.web.raiseMaintenance(site.uri);
  expect(await refresh(site)).toBe(3);
  await lab.web.lowerMaintenance(site.uri);
});

test('a site that was never asked for has nothing to refresh', async () => {
  expect(await refresh(await makeVersioned('1'))).toBe(0);
});

describe('where opcache cannot be asked it says why, and the script is gone', () => {
  test.each([
    ['off', { state: 'off' }],
    ['restricted', { state: 'kept', why: 'opcache.restrict_api does not allow it' }],
    ['jailed', { state: 'kept', why: 'PHP does not run what Kedge asks it to' }],
    ['disabled', { state: 'kept', why: 'disable_functions does not allow it' }],
  ])('%s', async (pool, expected) => {
    const site = await lab.makeSite(`php${number++}.example`, { phpSocket: lab.php.socketOf(pool) });
    expect(await ask(site)).toEqual(expected);
    expect(await readdir(probeFolder(site))).toEqual([]);
  });

  test('no PHP at all', async () => {
    const site = await lab.makeSite(`php${number++}.example`, { phpSocket: join(lab.folder, 'none.sock') });
    expect(await ask(site)).toMatchObject({ state: 'no answer' });
    expect(await readdir(probeFolder(site))).toEqual([]);
  });

  test.each([
    ['closes at once', (socket: Socket) => void socket.end()],
    ['answers nonsense', (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n')],
    ['answers without end', (socket: Socket) => void socket.write(Buffer.alloc(200_000, 1))],
  ])('a PHP that %s', async (_what, behave) => {
    const path = join(lab.folder, `hostile${number}.sock`);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => behave(socket));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const site = await lab.makeSite(`php${number++}.example`, { phpSocket: path });
    expect(await ask(site)).toMatchObject({ state: 'no answer' });
    expect(await readdir(probeFolder(site))).toEqual([]);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("the site's own PHP that takes part in the answer", () => {
  test.each([
    ['prints before it', '<?php echo "<html>\\nhello\\n";', true],
    ['prints a lie', '<?php echo "\\n", $_SERVER["KEDGE_ANSWER"], "{\\"invalidated\\":\\"x\\"}\\n";', false],
    ['prints no JSON', '<?php echo "\\n", $_SERVER["KEDGE_ANSWER"], "nonsense\\n";', false],
    ['ends at once', '<?php exit;', false],
    ['fails', '<?php throw new Exception("no");', false],
  ])('%s', async (_what, code, understood) => {
    await writeFile(PREPENDED, code);
    const site = await lab.makeSite(`php${number++}.example`, { phpSocket: lab.php.socketOf('chatty') });
    // The cache is shared by all pools, and it may keep the file of the test before for two seconds.
    await lab.web.refreshPhp({ ...site, root: '/var/tmp', phpSocket: lab.php.socketOf('tuned') }, testOperation());
    const count = await refresh(site);
    if (understood) expect(count).toBeGreaterThanOrEqual(0);
    else expect(count).toBeNull();
  });
});

test('is cancelled while PHP is busy', async () => {
  const path = join(lab.folder, 'silent.sock');
  const operation = testOperation();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => operation.cancel());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const site = await lab.makeSite(`php${number++}.example`, { phpSocket: path });
  await expect(lab.web.refreshPhp(site, operation)).rejects.toThrow('the test cancelled');
  expect(await readdir(probeFolder(site))).toEqual([]);
  await new Promise((resolve) => server.close(resolve));
});

test('a copy of a site shares nothing with it', async () => {
  const site = await makeVersioned('1');
  await answers(site);
  await cp(site.root, `${site.root}.copy`, { recursive: true });
  expect(await refresh({ ...site, root: `${site.root}.copy` })).toBe(0);
});
