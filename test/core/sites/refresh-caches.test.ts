import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import type { SiteAtWork } from '../../../src/core/sites/site-at-work';
import { liveFolder } from '../../../src/core/sites/site-folder';
import { refreshCode, refreshObjectCache } from '../../../src/core/sites/refresh-caches';
import type { WebServer } from '../../../src/core/web/web-server';
import { testOperation } from '../../helpers/operation';
import { OWNER, type WebLab, host, startWebLab } from '../web/web-lab';

let lab: WebLab;
beforeAll(async () => {
  lab = await startWebLab([
    { name: 'told', owner: OWNER },
    { name: 'restricted', owner: OWNER, settings: { 'opcache.restrict_api': '/nowhere' } },
  ]);
});
afterAll(() => lab?.stop());

/** What is warned about when the code of a site of this pool is refreshed. */
async function warnings(
  pool: string,
  changes: Partial<SiteLocation> = {},
  changedParts: Partial<SiteAtWork> = {},
): Promise<string[]> {
  const location = await lab.makeSite('shop.example', { phpSocket: lab.php.socketOf(pool), ...changes });
  const operation = testOperation();
  const kind = siteKindOf(location);
  const site = { location, host, folder: liveFolder(host, location), kind, webServer: lab.web, ...changedParts };
  await refreshCode(site, operation);
  await refreshObjectCache(site, operation);
  return operation.warnings;
}

test('PHP that may not be told to forget: a warning with what to do, or the reload that is configured', async () => {
  expect(await warnings('restricted')).toEqual([
    'PHP of shop.example may go on running code from before: opcache.restrict_api does not allow it. Reload PHP-FPM, or let Kedge do so by `php.reload` of the site',
  ]);
  const reloaded = join(lab.folder, 'reloaded');
  expect(await warnings('restricted', { phpReload: ['touch', reloaded] })).toEqual([]);
  expect(existsSync(reloaded)).toBe(true);
  expect(await warnings('restricted', { phpReload: ['sh', '-c', 'echo not today >&2; exit 3'] })).toEqual([
    expect.stringMatching(/may go on running code from before: .*`php\.reload` failed: .*not today/s),
  ]);
});

test('nothing is reloaded where PHP was told, or is down', async () => {
  const reloaded = join(lab.folder, 'reloaded');
  await rm(reloaded, { force: true });
  expect(await warnings('told', { phpReload: ['touch', reloaded] })).toEqual([]);
  const phpSocket = join(lab.folder, 'none.sock');
  expect(await warnings('told', { phpSocket, phpReload: ['touch', reloaded] })).toEqual([]);
  expect(existsSync(reloaded)).toBe(false);
});

test('a fault in Kedge itself is a warning, and keeps no site shut', async () => {
  const fault = (): never => {
    throw new RangeError('a fault of ours');
  };
  const broken = { refreshPhp: async () => fault() };
  const webServer: WebServer = new Proxy(lab.web, {
    get: (web, name, me) => Reflect.get(name in broken ? broken : web, name, me) as unknown,
  });
  expect(
    await warnings(
      'told',
      {},
      { webServer, kind: { ...siteKindOf(await lab.makeSite('shop.example')), objectCache: fault } },
    ),
  ).toEqual([
    expect.stringMatching(/may go on running code from before: a fault of ours\. Reload PHP-FPM/),
    expect.stringMatching(/may hold content from before: a fault of ours\. Flush it by hand/),
  ]);
});
