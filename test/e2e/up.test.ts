import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KEDGE } from '../../scripts/demo/kedge';
import { freePort } from '../../scripts/lab/free-port';
import { get } from '../../scripts/lab/fingerprint';
import type { BackupResult } from '../../src/contract/tasks';
import { connectClient } from '../../src/temporal/connection';
import { type Lab, cliJson, startLab } from '../helpers/e2e';
import { startCommand } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
});
afterAll(async () => {
  await lab?.stop();
});

/** `kedge up` on ports of its own; resolves when its worker takes tasks. */
async function up(port: number, uiPort: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [KEDGE, 'up', '--port', String(port), '--ui-port', String(uiPort)], {
    env: { ...process.env, ...lab.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`kedge up ended with ${code}`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('is ready')) resolve();
    });
  });
  return child;
}

it('kedge up: Temporal, its Web UI and the worker in one; what was done is there after a restart; a signal ends it', async () => {
  const [port, uiPort] = [await freePort(), await freePort()];
  const here: Lab = { ...lab, environment: { ...lab.environment, TEMPORAL_ADDRESS: `127.0.0.1:${port}` } };
  const [site = { uri: '' }] = lab.sites;

  // A signing key that the configuration names is made when it is missing, and never again.
  const key = join(lab.folder, 'signing.key');
  await rm(key);
  const first = await up(port, uiPort);
  const made = await readFile(key, 'utf8');
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  await cliJson(here, 'sites', 'adopt', site.uri);
  const backup = await cliJson<BackupResult>(here, 'backup', site.uri);
  expect(backup.backup.id).toContain(site.uri);
  expect((await get(uiPort, '127.0.0.1', '/')).status).toBe(200);
  first.kill('SIGTERM');
  await until('it has ended', () => first.exitCode !== null);
  expect(first.exitCode).toBe(0);
  await expect(connectClient(here.environment, 500)).rejects.toMatchObject({ code: 'TemporalUnreachable' });

  const second = await up(port, uiPort);
  const client = await connectClient(here.environment);
  const { status } = await client.workflow.getHandle(`site/${site.uri}`).describe();
  expect(status.name).toBe('COMPLETED');
  expect(await readFile(key, 'utf8')).toBe(made);
  await client.connection.close();
  second.kill('SIGINT');
  await until('it has ended', () => second.exitCode !== null);
});

it('what fails while the worker starts ends it with the error, and Temporal with it', async () => {
  const [port, uiPort] = [await freePort(), await freePort()];
  const open = join(lab.state, 'open');
  await rm(open, { recursive: true, force: true });
  // A folder that cannot be read, by nobody.
  await symlink('open', open);
  try {
    const up = startCommand(lab, ['up', '--port', String(port), '--ui-port', String(uiPort)]);
    expect(await up.end()).toBe(1);
    expect(up.stderr).toContain('ELOOP');
    expect(up.stderr).not.toMatch(/hold a reference|is ready/);
    const environment = { ...lab.environment, TEMPORAL_ADDRESS: `127.0.0.1:${port}` };
    await expect(connectClient(environment, 500)).rejects.toMatchObject({ code: 'TemporalUnreachable' });
  } finally {
    await rm(open);
  }
});
