import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, currentDatabase, differences, fingerprint } from '../../scripts/lab/fingerprint';
import { type PlacedLab, placeOnMachines } from '../../scripts/lab/placed-lab';
import { breakWordPress } from '../../scripts/lab/wordpress';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { describeAsRoot } from '../helpers/as-root';
import { type Lab, cli, cliJson, journalsOf, leftovers, startLab } from '../helpers/e2e';
import { until } from '../helpers/until';

/* A worker whose sites are on one machine and their databases on another, both of which it reaches by SSH. */

jest.setTimeout(300_000);

describeAsRoot('two sites on one machine, their databases on another (needs root)', () => {
  let lab: Lab;
  let placed: PlacedLab;
  let worker: WorkerProcess;
  const saved = new Map<string, Fingerprint>();
  const backups = new Map<string, string>();

  beforeAll(async () => {
    lab = await startLab({ sites: ['gazette.example', 'garden.example'] });
    placed = await placeOnMachines(lab, { web: 'web1', database: 'db1' });
    worker = await startWorkerProcess(lab.environment);
    for (const { uri } of placed.there.sites) await cliJson(lab, 'sites', 'adopt', uri);
    for (const { uri } of placed.there.sites) saved.set(uri, await look(uri));
  });
  afterEach(() => {
    expect(placed.misplaced()).toEqual([]);
  });
  afterAll(async () => {
    await worker?.stop();
    await placed?.stop();
    await lab?.stop();
  });

  const siteOf = (uri: string) => {
    const site = placed.there.sites.find((each) => each.uri === uri);
    if (!site) throw new Error(`there is no site ${uri}`);
    return site;
  };
  const look = (uri: string): Promise<Fingerprint> => fingerprint(siteOf(uri), lab.nginx.port, placed.there.mariadb);
  const sites = (): string[] => [...saved.keys()];
  const restore = (uri: string) => cliJson<RestoreResult>(lab, 'restore', uri, backups.get(uri) ?? '', '--yes');

  it('are saved at once, and doctor has nothing to say of either machine', async () => {
    const made = await Promise.all(sites().map((uri) => cliJson<BackupResult>(lab, 'backup', uri, '--quiesce')));
    for (const { backup, site } of made) backups.set(site, backup.id);
    for (const uri of sites()) expect(differences(saved.get(uri) as Fingerprint, await look(uri))).toEqual([]);
    const { stdout } = await cli(lab, 'doctor');
    expect(stdout).not.toMatch(/web1|db1/);
  });

  it('are broken, and brought back at once, and neither touches the other', async () => {
    for (const uri of sites()) await breakWordPress(siteOf(uri), placed.there.mariadb);
    await Promise.all(sites().map(restore));
    for (const uri of sites()) expect(differences(saved.get(uri) as Fingerprint, await look(uri))).toEqual([]);
    const { staging, spool, open } = await leftovers(placed.there);
    expect([staging, spool, open]).toEqual([[], [], []]);
  });

  it('whose database server goes away in the middle of a restore and comes back within the limit is restored', async () => {
    const [uri = ''] = sites();
    const restoring = cli(lab, 'restore', uri, backups.get(uri) ?? '', '--yes', '--json');
    const newest = () => journalsOf(lab, 'restore').at(-1);
    const began = (step: string) => () => newest()?.outcome === null && newest()?.steps?.[step] !== undefined;
    await until('it imports', began('importDatabase'), 60_000);
    await placed.machine('db1').unplug();
    await until('doctor says that it is away', async () => (await cli(lab, 'doctor')).stdout.includes('db1'), 120_000);
    await placed.machine('db1').plug();
    await cli(lab, 'tasks', 'retry', uri);
    const { exitCode } = await restoring;
    expect(exitCode).toBe(0);
    expect(differences(saved.get(uri) as Fingerprint, await look(uri))).toEqual([]);
  });

  it('one of which is lost, with all that Kedge knew of it, is deployed anew, and logs in from its own machine', async () => {
    const uri = sites().at(-1) ?? '';
    const { root } = siteOf(uri);
    const lost = await look(uri);
    rmSync(root, { recursive: true });
    rmSync(join(lab.state, 'sites', `${uri}.json`));
    await cliJson(lab, 'deploy', join(lab.backups, uri, `${backups.get(uri)}.tar.zst`), uri);
    // A deploy gives all files to the owner of the site.
    expect(differences(lost, await look(uri))).toEqual([expect.stringContaining('by-another.bin')]);
    const database = await currentDatabase(siteOf(uri));
    const hosts = await placed.there.mariadb.query(
      `SELECT host FROM mysql.db WHERE db = '${database.replaceAll('_', '\\\\_')}'`,
    );
    expect(hosts.trim().split('\n')).toContain(placed.machine('web1').address.host);
  });
});
