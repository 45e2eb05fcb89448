import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PrivateNginx, startNginx } from '../../../scripts/lab/nginx';
import type { WebServerAddress } from '../../../src/contract/target';
import { runChecks } from '../../../src/core/doctor/run-checks';
import { WEB_SERVER_CHECKS } from '../../../src/core/doctor/web-servers';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { createNginx } from '../../../src/core/web/nginx/nginx';
import { testOperation } from '../../helpers/operation';

const host = createLocalHost({ name: 'lab' });
let folder: string;
let nginx: PrivateNginx;

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/kedge-doctor-');
  await chmod(folder, 0o755);
  nginx = await startNginx({ folder });
});
afterAll(async () => {
  await nginx?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function findings(changes: Partial<WebServerAddress> = {}) {
  const address = { ...nginx.address, ...changes };
  const subject = { address, host, server: createNginx({ address, host }) };
  const found = await runChecks(WEB_SERVER_CHECKS, subject, { server: address.name }, testOperation());
  return found.map(({ check, message, hint }) => [check, message, hint]);
}

it('a web server in order', async () => {
  expect(await findings()).toEqual([]);
  // It is made when it is first needed.
  expect(await findings({ flags: join(folder, 'not/yet') })).toEqual([]);
});

it("somebody's broken file", async () => {
  const broken = join(nginx.address.vhosts, 'broken.conf');
  await writeFile(broken, 'server { listen nowhere; }');
  expect(await findings()).toEqual([
    ['web-test', expect.stringMatching(/^lab refuses its configuration: .*broken\.conf:1/s), expect.any(String)],
  ]);
  await rm(broken);
});

it('programs of the configuration that are not there', async () => {
  expect(await findings({ test: ['kedge-no-such', '-t'], reload: ['kedge-nor-this'] })).toEqual([
    [
      'web-test',
      'kedge-no-such, by which lab is to be tested, is not installed on lab',
      'Install it, or correct `test:` of the web server lab in the configuration.',
    ],
    [
      'web-reload',
      'kedge-nor-this, by which lab is to be reloaded, is not installed on lab',
      'Install it, or correct `reload:` of the web server lab in the configuration.',
    ],
  ]);
});

it('a folder of vhosts that others can change, or that is missing', async () => {
  const { vhosts } = nginx.address;
  await chmod(vhosts, 0o777);
  expect(await findings()).toEqual([
    [
      'vhosts-folder',
      `${vhosts} on lab can be changed by others than root and the worker`,
      `Run \`chown root: ${vhosts}\` and \`chmod 0755 ${vhosts}\`.`,
    ],
  ]);
  await chmod(vhosts, 0o755);
  await rename(vhosts, `${vhosts}.away`);
  expect(await findings()).toEqual([
    ['vhosts-folder', `${vhosts} on lab does not exist`, expect.stringContaining(`Make the folder ${vhosts}`)],
  ]);
  await rename(`${vhosts}.away`, vhosts);
});
