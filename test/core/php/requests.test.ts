import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Host } from '../../../src/core/hosts/host';
import { awaitRequests } from '../../../src/core/php/requests';
import { refreshPhp } from '../../../src/core/php/refresh-php';
import { testOperation } from '../../helpers/operation';
import { OWNER, put, startWebLab, visit, type WebLab } from '../web/web-lab';
import { until } from '../../helpers/until';

let lab: WebLab;
beforeAll(async () => {
  lab = await startWebLab([
    { name: 'one', owner: OWNER, settings: { 'pm.max_children': '1' } },
    { name: 'idle', owner: OWNER },
  ]);
});
afterAll(() => lab?.stop());

const machine = createLocalHost({ name: 'lab' });
let looks = 0;
/** The machine, and how often the kernel was asked. */
const host = Object.assign(Object.create(machine) as Host, {
  readFile(...asked: Parameters<Host['readFile']>) {
    looks += 1;
    return machine.readFile(...asked);
  },
});
async function untilLookedAgain(): Promise<void> {
  const before = looks;
  // The one that is under way may have looked already.
  await until('another look', () => looks > before + 1);
}

const wait = (pool: string, limitMs: number): Promise<number> =>
  awaitRequests(host, lab.php.socketOf(pool), limitMs, testOperation().signal);

/** A page that is being made until `end` is called. */
async function slowSite(uri: string): Promise<{ begun(name: string): boolean; end(name: string): Promise<void> }> {
  const site = await lab.makeSite(uri, { phpSocket: lab.php.socketOf('one') });
  await put(
    join(site.root, 'index.php'),
    `<?php $name = __DIR__ . '/' . $_GET['name'];
    touch("$name.begun"); for (; !file_exists("$name.end"); usleep(1000)) clearstatcache(); echo 'made';`,
  );
  // PHP runs as another account.
  await chmod(site.root, 0o777);
  await lab.web.writeVhost(site, testOperation());
  return {
    begun: (name) => existsSync(join(site.root, `${name}.begun`)),
    end: (name) => writeFile(join(site.root, `${name}.end`), ''),
  };
}

test('waits for the request PHP works on and for those that wait for it, and for none that came later', async () => {
  const page = await slowSite('slow.example');
  const ask = (name: string) => visit(lab, 'slow.example', `/index.php?name=${name}`);
  expect(await wait('one', 0)).toBe(0);
  const [first, second] = [ask('first'), ask('second')];
  await until('one is worked on', () => page.begun('first') || page.begun('second'));
  const [now, then] = page.begun('first') ? ['first', 'second'] : ['second', 'first'];
  expect(await wait('one', 100)).toBeGreaterThan(0);

  let waited = false;
  const waiting = wait('one', 60_000).then((left) => {
    waited = true;
    return left;
  });
  await untilLookedAgain();
  await page.end(now);
  await until('the other one is worked on', () => page.begun(then));
  await untilLookedAgain();
  expect(waited).toBe(false);
  const later = ask('later');
  await page.end(then);
  await until('a later one is worked on', () => page.begun('later'));
  expect(await waiting).toBe(0);
  expect(await wait('one', 50)).toBe(1);
  // What another pool works on is its own.
  expect(await wait('idle', 0)).toBe(0);
  await page.end('later');
  await Promise.all([first, second, later]);
  expect(await wait('one', 60_000)).toBe(0);
});

test('workers that wait for ever are ended where PHP does not answer, and no other', async () => {
  const site = await lab.makeSite('stuck.example', { phpSocket: lab.php.socketOf('one') });
  const { uid } = await machine.lookUpOwner(OWNER);
  const stuck = { ...site, owner: { ...site.owner, uid } };
  execFileSync('mkfifo', ['-m', '666', join(site.root, 'pipe')]);
  await put(join(site.root, 'index.php'), "<?php touch(__DIR__ . '/begun'); fopen(__DIR__ . '/pipe', 'r');");
  await chmod(site.root, 0o777);
  await lab.web.writeVhost(stuck, testOperation());
  const { flags } = lab.nginx.address;

  const waiting = visit(lab, 'stuck.example', '/').catch((error: unknown) => error);
  await until('PHP waits for the pipe', () => existsSync(join(site.root, 'begun')));
  // Of another account's workers none is touched.
  const others = testOperation();
  const another = { ...stuck, owner: { ...stuck.owner, uid: uid + 1 } };
  expect(await refreshPhp(machine, flags, another, others, 500)).toMatchObject({ state: 'no answer' });
  expect(others.warnings).toEqual([]);

  const operation = testOperation();
  expect(await refreshPhp(machine, flags, stuck, operation, 500)).toMatchObject({ state: 'refreshed' });
  expect(operation.warnings).toEqual([
    'PHP of stuck.example did not answer: 1 of its workers held requests from before, and were ended',
  ]);
  await waiting;
  await put(join(site.root, 'index.php'), "<?php echo 'restored';");
  await lab.web.refreshPhp(stuck, testOperation());
  expect((await visit(lab, 'stuck.example', '/')).body).toBe('restored');
});
