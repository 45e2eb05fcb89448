import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../scripts/lab/free-port';
import type { SiteLocation } from '../../../src/contract/target';
import { assertOwnListener } from '../../../src/core/php/fpm-socket';
import { awaitRequests, requestsInWork } from '../../../src/core/php/requests';
import { describeAsRoot } from '../../helpers/as-root';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { OWNER, host, put, startWebLab, visit, type WebLab } from '../web/web-lab';

let lab: WebLab;
let site: SiteLocation;
let socket: string;

beforeAll(async () => {
  const port = await freePort();
  lab = await startWebLab([{ name: 'tcp', owner: OWNER, settings: { 'pm.max_children': '1' }, port }]);
  socket = lab.php.socketOf('tcp');
  expect(socket).toBe(`127.0.0.1:${port}`);
  const { uid, gid } = await host.lookUpOwner(OWNER);
  site = await lab.makeSite('tcp.example', { phpSocket: socket, owner: { user: OWNER, uid, gid } });
  await chmod(site.root, 0o777);
  await lab.web.writeVhost(site, testOperation());
});
afterAll(() => lab?.stop());

test('a managed vhost sends PHP there, and Kedge asks it there', async () => {
  expect((await visit(lab, site.uri, '/')).body).toContain('Home of tcp.example');
  expect(await lab.web.phpListens(site, testOperation())).toBe(true);
  expect(await lab.web.refreshPhp(site, testOperation())).toMatchObject({ state: 'refreshed' });
  const { mark } = await lab.web.askApplication(site, '/', testOperation());
  expect(mark).toEqual({ status: 200, title: 'Home of tcp.example' });
});

test('requests under way are seen, those that wait too, and waited for', async () => {
  await put(
    join(site.root, 'slow.php'),
    `<?php $name = __DIR__ . '/' . $_GET['name'];
    touch("$name.begun"); for (; !file_exists("$name.end"); usleep(1000)) clearstatcache(); echo 'made';`,
  );
  const wait = (limitMs: number): Promise<number> => awaitRequests(host, socket, limitMs, testOperation().signal);
  const begun = (name: string): boolean => existsSync(join(site.root, `${name}.begun`));
  // FPM may not have closed its end of what the test before asked.
  await until('nothing is under way', async () => (await wait(0)) === 0);
  const answers = ['first', 'second'].map((name) => visit(lab, site.uri, `/slow.php?name=${name}`));
  await until('one is worked on', () => begun('first') || begun('second'));
  expect((await requestsInWork(host, socket)).size).toBe(1);
  await until('the other one waits', async () => (await wait(0)) === 2);
  const waiting = wait(60_000);
  for (const name of ['first', 'second']) await writeFile(join(site.root, `${name}.end`), '');
  expect(await waiting).toBe(0);
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['made', 'made']);
});

test('a port at which nobody listens is told', async () => {
  const nowhere = { ...site, phpSocket: `127.0.0.1:${await freePort()}` };
  expect(await lab.web.phpListens(nowhere, testOperation())).toBe(false);
  expect(await lab.web.refreshPhp(nowhere, testOperation())).toMatchObject({
    state: 'no answer',
    why: expect.stringContaining('nobody is seen to listen there') as unknown,
  });
});

describeAsRoot('a port that another account has taken', () => {
  /** Listens as an account that is neither root nor the owner, and tells what it is sent. */
  const STRANGER =
    'const server = require("net").createServer((s) => s.on("data", (d) => process.stdout.write(d)));' +
    'server.listen(Number(process.argv[1]), "127.0.0.1", () => process.stdout.write("listens"));';

  test('is sent nothing, and not believed', async () => {
    const port = await freePort();
    const stranger = spawn(process.execPath, ['-e', STRANGER, String(port)], { uid: 1, gid: 1, stdio: 'pipe' });
    let heard = '';
    stranger.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    try {
      await until('it listens', () => heard === 'listens');
      const taken = { ...site, phpSocket: `127.0.0.1:${port}` };
      const refused = { code: 'ProbeFailed', message: expect.stringContaining('account 1 listens there') as unknown };
      await expect(lab.web.phpListens(taken, testOperation())).rejects.toMatchObject(refused);
      await expect(lab.web.askApplication(taken, '/', testOperation())).rejects.toMatchObject(refused);
      expect(await lab.web.refreshPhp(taken, testOperation())).toMatchObject({ state: 'no answer' });
      expect(heard).toBe('listens');
      // Its own it may have.
      await assertOwnListener(host, { ...taken, owner: { user: 'daemon', uid: 1, gid: 1 } });
    } finally {
      stranger.kill('SIGKILL');
      await once(stranger, 'exit');
    }
  });
});
