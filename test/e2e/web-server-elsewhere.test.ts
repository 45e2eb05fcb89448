import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { KedgeClient } from '../../src/client';
import { connectClient } from '../../src/temporal/connection';
import { breakWordPress } from '../../scripts/lab/wordpress';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { describeAsRoot } from '../helpers/as-root';
import { type Lab, type WordPressSite, cli, cliJson, journalsOf, leftovers, startLab } from '../helpers/e2e';
import { until } from '../helpers/until';
import { ON_THE_NETWORK, type PlacedLab, placeOnMachines } from '../../scripts/lab/placed-lab';

/* A worker whose sites are served by another machine, which it reaches by SSH. */

jest.setTimeout(300_000);

describeAsRoot('a site on another machine (needs root)', () => {
  let lab: Lab;
  let placed: PlacedLab;
  let worker: WorkerProcess;
  let site: WordPressSite;
  let backup: BackupResult;
  let saved: Fingerprint;

  beforeAll(async () => {
    lab = await startLab({ sites: ['gazette.example'], databaseOptions: ON_THE_NETWORK });
    placed = await placeOnMachines(lab, { web: 'web1', database: null });
    [site] = placed.there.sites as [WordPressSite];
    worker = await startWorkerProcess(lab.environment);
    await cliJson(lab, 'sites', 'adopt', site.uri);
    saved = await look();
    backup = await cliJson<BackupResult>(lab, 'backup', site.uri);
  });
  afterEach(() => {
    expect(placed.misplaced()).toEqual([]);
  });
  afterAll(async () => {
    await worker?.stop();
    await placed?.stop();
    await lab?.stop();
  });

  const look = (): Promise<Fingerprint> => fingerprint(site, lab.nginx.port, lab.mariadb);
  const status = async (): Promise<number> => (await get(lab.nginx.port, site.uri, '/')).status;
  const newest = () => journalsOf(lab, 'restore').at(-1);
  const hasBegun = (step: string) => () => newest()?.outcome === null && newest()?.steps?.[step] !== undefined;

  it('is saved, broken and brought back, and doctor has nothing to say of the machine', async () => {
    expect(differences(saved, await look())).toEqual([]);
    const { stdout } = await cli(lab, 'doctor');
    expect(stdout).not.toContain('web1');
    await breakWordPress(site, lab.mariadb);
    const { downtimeMs } = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.backup.id, '--yes');
    expect(downtimeMs).toBeGreaterThan(0);
    expect(differences(saved, await look())).toEqual([]);
    const { staging, spool, open, flags } = await leftovers(placed.there);
    expect([staging, spool, open]).toEqual([[], [], []]);
    expect(flags?.filter((name) => name.startsWith(site.uri) && !name.endsWith('.probe'))).toEqual([]);
  });

  it('whose machine goes away in the middle of a restore and comes back within the limit is restored', async () => {
    const restoring = cli(lab, 'restore', site.uri, backup.backup.id, '--yes', '--json');
    await until('it unpacks', hasBegun('deploy'), 60_000);
    await placed.machine('web1').unplug();
    const client = await connectClient(lab.environment);
    const restore = new KedgeClient(client, 'lab').task(site.uri, newest()?.task ?? '');
    const fails = async (): Promise<boolean> =>
      (await restore.status()).steps.some(({ lastFailure }) => lastFailure?.includes('web1'));
    await until('the step is to be tried again', fails, 120_000);
    await client.connection.close();
    await placed.machine('web1').plug();
    const { exitCode, stderr } = await restoring;
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/failed: .*web1.*\. It is tried again until/)]);
    expect(differences(saved, await look())).toEqual([]);
  });

  it('whose master is lost is opened by its machine; the task is undone when the master is back', async () => {
    const restoring = cli(lab, 'restore', site.uri, backup.backup.id, '--yes');
    await until('it unpacks', hasBegun('deploy'), 60_000);
    await worker.kill();
    expect(await status()).toBe(503);
    const flag = join(placed.there.nginx.address.flags, site.uri);
    // As when its time had passed.
    const left = JSON.parse(readFileSync(flag, 'utf8')) as { leftMs: number };
    writeFileSync(flag, JSON.stringify({ ...left, leftMs: 0 }));
    placed.endOverdue();
    // Its database is the master's, which has locked the account.
    expect(await status()).toBe(500);
    worker = await startWorkerProcess(lab.environment);
    const { exitCode, stderr } = await restoring;
    expect([exitCode, stderr]).toEqual([expect.any(Number), expect.stringContaining('opened')]);
    expect(exitCode).not.toBe(0);
    expect(await status()).toBe(200);
    expect(differences(saved, await look())).toEqual([]);
  });

  it('that shows its maintenance page without a task is opened from the master', async () => {
    writeFileSync(join(placed.there.nginx.address.flags, site.uri), '');
    expect(await status()).toBe(503);
    const { exitCode, stdout } = await cli(lab, 'sites', 'online', site.uri);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('its maintenance page is up; put right')]);
    expect(await status()).toBe(200);
    rmSync(join(placed.there.nginx.address.flags, site.uri), { force: true });
  });
});
